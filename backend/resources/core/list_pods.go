package core

import "pilothouse/backend/registry"

// podResources are the resources of the core group that make or hold pods.
func podResources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		pods(env),
		podTemplates(env),
		replicationControllers(env),
	}
}
