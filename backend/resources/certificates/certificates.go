// Package certificates owns the built-in resources of the group certificates.k8s.io:
// certificate signing requests. Each file is one resource; Resources lists them.
package certificates

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "certificates.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		certificateSigningRequests(),
	}
}
