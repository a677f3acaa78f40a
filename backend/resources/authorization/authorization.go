// Package authorization owns the built-in resources of the group
// authorization.k8s.io: access reviews, which keep nothing. Each file is one
// resource; Resources lists them. review.go is what they share.
package authorization

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "authorization.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		localSubjectAccessReviews(env),
		selfSubjectAccessReviews(env),
		selfSubjectRulesReviews(env),
		subjectAccessReviews(env),
	}
}
