package resource

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
)

func resourceClaims() registry.Resource {
	status := resourceClaimStatusStrategy()
	return registry.Resource{
		Group:      group,
		Name:       "resourceclaims",
		Singular:   "resourceclaim",
		Kind:       "ResourceClaim",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceClaim{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func resourceClaimStatusStrategy() registry.Strategy {
	return registry.For[*resourcev1.ResourceClaim]{}.Strategy()
}
