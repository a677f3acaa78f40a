// Package policy owns PodDisruptionBudgets, the stored kind of the policy group.
package policy

import "pilothouse/backend/registry"

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		podDisruptionBudgetResource(env),
	}
}

// viewVerbs are the verbs of a subresource that is a view of the object.
var viewVerbs = []string{"get", "patch", "update"}
