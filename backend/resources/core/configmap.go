package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func configMapResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "configmaps",
		Singular:   "configmap",
		Kind:       "ConfigMap",
		ShortNames: []string{"cm"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ConfigMap{} }}},
		Strategy:   registry.For[*corev1.ConfigMap]{}.Strategy(),
	}
}
