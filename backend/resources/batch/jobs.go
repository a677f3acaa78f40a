package batch

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/batch/v1"
)

// jobs run pods until enough of them succeeded.
func jobs(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "jobs",
		Singular:   "job",
		Kind:       "Job",
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.Job{} },
		}},
		Strategy: registry.For[*v1.Job]{
			OrphanByDefault: true,
		}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
