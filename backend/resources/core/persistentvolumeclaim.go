package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func persistentVolumeClaimResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "persistentvolumeclaims",
		Singular:   "persistentvolumeclaim",
		Kind:       "PersistentVolumeClaim",
		ShortNames: []string{"pvc"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.PersistentVolumeClaim{} }}},
		Strategy:   registry.For[*corev1.PersistentVolumeClaim]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
