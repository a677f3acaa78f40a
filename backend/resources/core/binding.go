package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func bindingResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "bindings",
		Singular:   "binding",
		Kind:       "Binding",
		Namespaced: true,
		Verbs:      []string{"create"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Binding{} }}},
		Virtual: &registry.Virtual{
			New:    func() runtime.Object { return &corev1.Binding{} },
			Create: bindingForPod(env),
		},
	}
}
