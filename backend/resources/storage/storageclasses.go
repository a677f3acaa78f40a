package storage

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func storageClasses() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "storageclasses",
		Singular:   "storageclass",
		Kind:       "StorageClass",
		ShortNames: []string{"sc"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.StorageClass{} },
		}},
	}
}
