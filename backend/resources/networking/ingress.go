package networking

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func ingressResource(env *registry.Env) registry.Resource {
	status := registry.For[*networkingv1.Ingress]{
		PrepareForUpdate: func(_ context.Context, in, old *networkingv1.Ingress) { in.Spec = old.Spec },
		ValidateUpdate:   validateIngressStatus,
		WarningsOnUpdate: ingressStatusWarnings,
		ResetFields:      map[string][]string{"networking.k8s.io/v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "ingresses",
		Singular:   "ingress",
		Kind:       "Ingress",
		ShortNames: []string{"ing"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.Ingress{} }}},
		Strategy: registry.For[*networkingv1.Ingress]{
			ValidatesMetaOnUpdate: 1,
			PrepareForCreate: func(_ context.Context, in *networkingv1.Ingress) {
				in.Generation = 1
				in.Status = networkingv1.IngressStatus{}
			},
			PrepareForUpdate: func(_ context.Context, in, old *networkingv1.Ingress) {
				in.Status = old.Status
				in.Generation = nextGeneration(old.Generation, in.Spec, old.Spec)
			},
			Validate:         validateIngressCreate,
			ValidateUpdate:   validateIngressUpdate,
			WarningsOnCreate: ingressWarnings,
			ResetFields:      map[string][]string{"networking.k8s.io/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
			printers.Column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
			printers.Column("Address", "Address is a list containing ingress points for the load-balancer"),
			printers.Column("Ports", "Ports of TLS configurations that open"),
			printers.Age,
		},
		Cells: registry.Row(ingressCells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

// nextGeneration is one more than the generation was when the spec changed.
func nextGeneration(generation int64, spec, was any) int64 {
	if apiequality.Semantic.DeepEqual(spec, was) {
		return generation
	}
	return generation + 1
}

// ingressClassAnnotation named the class before ingressClassName did.
const ingressClassAnnotation = "kubernetes.io/ingress.class"

func ingressWarnings(_ context.Context, in *networkingv1.Ingress) []string {
	if _, ok := in.Annotations[ingressClassAnnotation]; ok {
		return []string{fmt.Sprintf("annotation %q is deprecated, please use 'spec.ingressClassName' instead", ingressClassAnnotation)}
	}
	return nil
}

func ingressStatusWarnings(_ context.Context, in, _ *networkingv1.Ingress) []string {
	var out []string
	for i, b := range in.Status.LoadBalancer.Ingress {
		if b.IP != "" {
			out = append(out, validation.GetWarningsForIP(field.NewPath("status", "loadBalancer", "ingress").Index(i), b.IP)...)
		}
	}
	return out
}

func ingressCells(in *networkingv1.Ingress, now registry.Clock) []any {
	class := "<none>"
	if in.Spec.IngressClassName != nil {
		class = *in.Spec.IngressClassName
	}
	ports := "80"
	if len(in.Spec.TLS) > 0 {
		ports = "80, 443"
	}
	return []any{in.Name, class, ingressHosts(in.Spec.Rules), ingressAddresses(in), ports, printers.Since(in.CreationTimestamp, now)}
}

func ingressHosts(rules []networkingv1.IngressRule) string {
	const most = 3
	var hosts []string
	more := false
	for _, r := range rules {
		if len(hosts) == most {
			more = true
		}
		if !more && r.Host != "" {
			hosts = append(hosts, r.Host)
		}
	}
	if len(hosts) == 0 {
		return "*"
	}
	text := strings.Join(hosts, ",")
	if more {
		text = fmt.Sprintf("%s + %d more...", text, len(rules)-most)
	}
	return text
}

func ingressAddresses(in *networkingv1.Ingress) string {
	var out []string
	for _, b := range in.Status.LoadBalancer.Ingress {
		if b.IP != "" {
			out = append(out, b.IP)
		} else if b.Hostname != "" {
			out = append(out, b.Hostname)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}
