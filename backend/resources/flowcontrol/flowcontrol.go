// Package flowcontrol owns the built-in resources of the group flowcontrol.apiserver.k8s.io:
// flow schemas and priority levels. Each file is one resource; Resources lists them.
package flowcontrol

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "flowcontrol.apiserver.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		flowSchemas(),
		priorityLevelConfigurations(),
	}
}
