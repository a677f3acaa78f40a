package storage

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func volumeAttributesClasses() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "volumeattributesclasses",
		Singular:   "volumeattributesclass",
		Kind:       "VolumeAttributesClass",
		ShortNames: []string{"vac"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.VolumeAttributesClass{} },
		}},
	}
}
