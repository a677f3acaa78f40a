package apps

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/apps/v1"
)

// controllerRevisions are snapshots of what a controller wanted, kept for rollbacks.
func controllerRevisions(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "controllerrevisions",
		Singular:   "controllerrevision",
		Kind:       "ControllerRevision",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.ControllerRevision{} },
		}},
	}
}
