package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func namespaceResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "namespaces",
		Singular:   "namespace",
		Kind:       "Namespace",
		ShortNames: []string{"ns"},
		Verbs:      []string{"create", "delete", "get", "list", "patch", "update", "watch"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Namespace{} }}},
		Strategy:   registry.For[*corev1.Namespace]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
			{Name: "finalize", Verbs: []string{"update"}, Strategy: &registry.Strategy{}},
		},
	}
}
