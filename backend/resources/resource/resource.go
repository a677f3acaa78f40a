// Package resource owns the built-in resources of the group resource.k8s.io:
// dynamic resource allocation: device classes, claims, claim templates and slices. Each file is one resource; Resources lists them.
package resource

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "resource.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		deviceClasses(),
		resourceClaims(),
		resourceClaimTemplates(),
		resourceSlices(),
	}
}
