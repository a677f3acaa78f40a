package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/core/v1"
)

// podTemplates are pod templates that stand on their own.
func podTemplates(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "podtemplates",
		Singular:   "podtemplate",
		Kind:       "PodTemplate",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.PodTemplate{} },
		}},
		Strategy: registry.For[*v1.PodTemplate]{
			DeleteReturnsObject: true,
		}.Strategy(),
	}
}
