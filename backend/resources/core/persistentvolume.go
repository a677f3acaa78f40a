package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func persistentVolumeResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "persistentvolumes",
		Singular:   "persistentvolume",
		Kind:       "PersistentVolume",
		ShortNames: []string{"pv"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.PersistentVolume{} }}},
		Strategy:   registry.For[*corev1.PersistentVolume]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
		},
	}
}
