package resource

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
)

func resourceClaimTemplates() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "resourceclaimtemplates",
		Singular:   "resourceclaimtemplate",
		Kind:       "ResourceClaimTemplate",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceClaimTemplate{} },
		}},
	}
}
