package batch

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/batch/v1"
)

// cronJobs make jobs by a schedule.
func cronJobs(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "cronjobs",
		Singular:   "cronjob",
		Kind:       "CronJob",
		ShortNames: []string{"cj"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.CronJob{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
