package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// defaultIngressClass gives ingresses that name no class the default one.
type defaultIngressClass struct {
	handler
	classes *lookup[*networkingv1.IngressClass]
}

func newDefaultIngressClass(d *deps) (admission.Plugin, error) {
	return &defaultIngressClass{
		handler{"DefaultIngressClass", on(admission.Create, target{group: "networking.k8s.io", resource: "ingresses"})},
		newLookup[*networkingv1.IngressClass](d.Registry, "networking.k8s.io", "ingressclasses"),
	}, nil
}

// Mutate fills in the class. Two default classes are an error, as nobody could
// tell which is meant.
func (p *defaultIngressClass) Mutate(_ context.Context, a *admission.Attributes) error {
	ingress, err := objectOf[*networkingv1.Ingress](a, "Ingress")
	if err != nil {
		return err
	}
	if _, old := ingress.Annotations["kubernetes.io/ingress.class"]; old || ingress.Spec.IngressClassName != nil {
		return nil
	}
	name, n := "", 0
	p.classes.each("", func(c *networkingv1.IngressClass) bool {
		if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			name = c.Name
			n++
		}
		return true
	})
	switch n {
	case 0:
	case 1:
		ingress.Spec.IngressClassName = &name
	default:
		return admission.Forbidden(a, apierrors.NewInternalError(fmt.Errorf("%d default IngressClasses were found, only 1 allowed", n)))
	}
	return nil
}
