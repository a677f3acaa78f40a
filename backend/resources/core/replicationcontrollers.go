package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	v1 "k8s.io/api/core/v1"
)

// replicationControllers keep a number of pods of one template running.
func replicationControllers(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "replicationcontrollers",
		Singular:   "replicationcontroller",
		Kind:       "ReplicationController",
		ShortNames: []string{"rc"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.ReplicationController{} },
		}},
		Strategy: registry.For[*v1.ReplicationController]{
			OrphanByDefault: true,
		}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "scale", Verbs: []string{"get", "patch", "update"}, Kind: "Scale", GroupVersion: autoscalingv1.SchemeGroupVersion},
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
