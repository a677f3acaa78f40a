package networking

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
)

func ipAddressResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "ipaddresses",
		Singular:   "ipaddress",
		Kind:       "IPAddress",
		ShortNames: []string{"ip"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.IPAddress{} }}},
		Strategy:   registry.For[*networkingv1.IPAddress]{}.Strategy(),
	}
}
