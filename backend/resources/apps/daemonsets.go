package apps

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/apps/v1"
)

// daemonSets keep one pod on each node that matches.
func daemonSets(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "daemonsets",
		Singular:   "daemonset",
		Kind:       "DaemonSet",
		ShortNames: []string{"ds"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.DaemonSet{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
