package storage

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
)

func csiNodes() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "csinodes",
		Singular: "csinode",
		Kind:     "CSINode",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.CSINode{} },
		}},
	}
}
