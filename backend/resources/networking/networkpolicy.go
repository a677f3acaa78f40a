package networking

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
)

func networkPolicyResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "networkpolicies",
		Singular:   "networkpolicy",
		Kind:       "NetworkPolicy",
		ShortNames: []string{"netpol"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.NetworkPolicy{} }}},
		Strategy:   registry.For[*networkingv1.NetworkPolicy]{}.Strategy(),
	}
}
