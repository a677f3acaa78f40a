package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func resourceQuotaResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "resourcequotas",
		Singular:   "resourcequota",
		Kind:       "ResourceQuota",
		ShortNames: []string{"quota"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ResourceQuota{} }}},
		Strategy:   registry.For[*corev1.ResourceQuota]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
