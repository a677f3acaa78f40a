// Package certificates owns the built-in resource of the group
// certificates.k8s.io: certificate signing requests. Read
// certificatesigningrequests.go first; strategies.go says what each of its three
// paths may change, validate.go what a request must look like.
package certificates

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "certificates.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		certificateSigningRequests(env.Clock),
	}
}
