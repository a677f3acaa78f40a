// Package batch owns the resources of the group batch: one file per resource,
// each one registry.Resource value. What pod templates may say is in podspec.
// Read list.go first, then the file of the resource.
package batch

import "pilothouse/backend/registry"

// Resources are the resources of the group.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		cronJobs(env),
		jobs(env),
	}
}
