package networking

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
)

func ingressResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "ingresses",
		Singular:   "ingress",
		Kind:       "Ingress",
		ShortNames: []string{"ing"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.Ingress{} }}},
		Strategy:   registry.For[*networkingv1.Ingress]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
