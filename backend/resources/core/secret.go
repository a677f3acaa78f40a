package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func secretResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "secrets",
		Singular:   "secret",
		Kind:       "Secret",
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Secret{} }}},
		Strategy:   registry.For[*corev1.Secret]{}.Strategy(),
	}
}
