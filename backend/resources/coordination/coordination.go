// Package coordination owns the built-in resources of the group coordination.k8s.io:
// leases. Each file is one resource; Resources lists them.
package coordination

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "coordination.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		leases(),
	}
}
