package apps

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
)

// deployments roll replica sets from one template to the next.
func deployments(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      v1.GroupName,
		Name:       "deployments",
		Singular:   "deployment",
		Kind:       "Deployment",
		ShortNames: []string{"deploy"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.Deployment{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "scale", Verbs: []string{"get", "patch", "update"}, Kind: "Scale", GroupVersion: autoscalingv1.SchemeGroupVersion},
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &registry.Strategy{}},
		},
	}
}
