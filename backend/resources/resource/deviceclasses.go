package resource

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
)

func deviceClasses() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "deviceclasses",
		Singular: "deviceclass",
		Kind:     "DeviceClass",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.DeviceClass{} },
		}},
	}
}
