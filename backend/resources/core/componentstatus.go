package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func componentStatusResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "componentstatuses",
		Singular:   "componentstatus",
		Kind:       "ComponentStatus",
		ShortNames: []string{"cs"},
		Verbs:      []string{"get", "list"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ComponentStatus{} }}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &corev1.ComponentStatus{} },
		},
	}
}
