// Package batch owns the kinds of the batch group: one file per kind, with what
// Kubernetes' strategies, defaults, validation and printers say about it. What
// pod templates may say is in package podspec. Read list.go first.
package batch

import (
	"pilothouse/backend/registry"
)

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		cronJobResource(env),
		jobResource(env),
	}
}

// viewVerbs are the verbs of a subresource that is a view of the object.
var viewVerbs = []string{"get", "patch", "update"}
