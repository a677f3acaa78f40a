package networking

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
)

func ingressClassResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    "networking.k8s.io",
		Name:     "ingressclasses",
		Singular: "ingressclass",
		Kind:     "IngressClass",
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.IngressClass{} }}},
		Strategy: registry.For[*networkingv1.IngressClass]{}.Strategy(),
	}
}
