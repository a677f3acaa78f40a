// Package apiextensions owns the built-in resource of the group
// apiextensions.k8s.io: CustomResourceDefinitions as plain objects. Package crd
// makes resources of them and looks into their schemas. Read
// customresourcedefinitions.go first.
package apiextensions

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "apiextensions.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		customResourceDefinitions(),
	}
}
