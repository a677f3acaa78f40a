// Package node owns the built-in resources of the group node.k8s.io:
// runtime classes. Each file is one resource; Resources lists them.
package node

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "node.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		runtimeClasses(),
	}
}
