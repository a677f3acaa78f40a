// Package resource owns the built-in resources of the group resource.k8s.io,
// dynamic resource allocation: device classes, claims, claim templates and
// slices. Each resource is one file; claims.go, allocations.go, devices.go and
// capacity.go check their parts, selectors.go compiles what selects devices.
// Of the features behind gates it has those that are on by default in 1.36.
package resource

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "resource.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		deviceClasses(),
		resourceClaims(env),
		resourceClaimTemplates(env),
		resourceSlices(env.Clock),
	}
}
