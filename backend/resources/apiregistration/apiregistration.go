// Package apiregistration owns the built-in resources of the group apiregistration.k8s.io:
// APIServices as plain objects; package aggregator acts on them. Each file is one resource; Resources lists them.
package apiregistration

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "apiregistration.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		apiServices(env.Clock),
	}
}
