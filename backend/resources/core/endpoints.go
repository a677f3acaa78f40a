package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func endpointsResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "endpoints",
		Singular:   "endpoints",
		Kind:       "Endpoints",
		ShortNames: []string{"ep"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Endpoints{} }}},
		Strategy:   registry.For[*corev1.Endpoints]{}.Strategy(),
	}
}
