package crd

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// converter turns objects of a definition into another of its versions. What it
// is given may be changed and may be given back.
type converter interface {
	convert(u *unstructured.Unstructured, to schema.GroupVersion) (*unstructured.Unstructured, error)
}

// converter gives what the definition asks for.
func (m *Manager) converter(d *Definition) converter {
	c := d.Spec.Conversion
	if c == nil || c.Strategy != apiextensionsv1.WebhookConverter || c.Webhook == nil {
		return noConverter{}
	}
	return newWebhook(d, c.Webhook, m.o.Webhooks)
}

// noConverter changes the apiVersion and nothing else.
type noConverter struct{}

func (noConverter) convert(u *unstructured.Unstructured, to schema.GroupVersion) (*unstructured.Unstructured, error) {
	u.SetAPIVersion(to.String())
	return u, nil
}

// convertOne gives an object in a version; the object itself is not changed.
func (k *kind) convertOne(u *unstructured.Unstructured, to string) (*unstructured.Unstructured, error) {
	gv := schema.GroupVersion{Group: k.definition.Spec.Group, Version: to}
	if u.GetAPIVersion() == gv.String() {
		return u, nil
	}
	if k.versions[to] == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("request to convert CR to an invalid group/version: %s", gv))
	}
	return k.convert.convert(u.DeepCopy(), gv)
}
