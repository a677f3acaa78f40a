package coordination

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	coordinationv1 "k8s.io/api/coordination/v1"
)

func leases() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "leases",
		Singular:   "lease",
		Kind:       "Lease",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &coordinationv1.Lease{} },
		}},
	}
}
