// Package discovery owns EndpointSlices, the kind of discovery.k8s.io.
package discovery

import "pilothouse/backend/registry"

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		endpointSliceResource(env),
	}
}
