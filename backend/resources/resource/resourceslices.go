package resource

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
)

func resourceSlices() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "resourceslices",
		Singular: "resourceslice",
		Kind:     "ResourceSlice",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceSlice{} },
		}},
	}
}
