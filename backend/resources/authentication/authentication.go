// Package authentication owns the built-in resources of the group
// authentication.k8s.io: reviews, which keep nothing. Each file is one
// resource; Resources lists them.
package authentication

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "authentication.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		selfSubjectReviews(env),
		tokenReviews(env),
	}
}
