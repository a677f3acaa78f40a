package node

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	nodev1 "k8s.io/api/node/v1"
)

func runtimeClasses() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "runtimeclasses",
		Singular: "runtimeclass",
		Kind:     "RuntimeClass",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &nodev1.RuntimeClass{} },
		}},
	}
}
