package networking

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
)

func serviceCIDRResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    "networking.k8s.io",
		Name:     "servicecidrs",
		Singular: "servicecidr",
		Kind:     "ServiceCIDR",
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.ServiceCIDR{} }}},
		Strategy: registry.For[*networkingv1.ServiceCIDR]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
