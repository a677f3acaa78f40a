package apps

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
)

// statefulSets keep pods with names and claims of their own.
func statefulSets(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "statefulsets",
		Singular:   "statefulset",
		Kind:       "StatefulSet",
		ShortNames: []string{"sts"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.StatefulSet{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "scale", Verbs: []string{"get", "patch", "update"}, Kind: "Scale", GroupVersion: autoscalingv1.SchemeGroupVersion},
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
