// Package apps owns the resources of the group apps: one file per resource,
// each one registry.Resource value. What pod templates may say is in podspec.
// Read list.go first, then the file of the resource.
package apps

import "pilothouse/backend/registry"

// Resources are the resources of the group.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		controllerRevisions(env),
		daemonSets(env),
		deployments(env),
		replicaSets(env),
		statefulSets(env),
	}
}
