package storage

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func csiDrivers() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "csidrivers",
		Singular: "csidriver",
		Kind:     "CSIDriver",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.CSIDriver{} },
		}},
	}
}
