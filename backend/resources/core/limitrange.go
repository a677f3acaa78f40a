package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func limitRangeResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "limitranges",
		Singular:   "limitrange",
		Kind:       "LimitRange",
		ShortNames: []string{"limits"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.LimitRange{} }}},
		Strategy:   registry.For[*corev1.LimitRange]{}.Strategy(),
	}
}
