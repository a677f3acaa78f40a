package core

import "pilothouse/backend/registry"

// podResources gives the kinds of this package that are or make pods.
func podResources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		podResource(env),
		podTemplateResource(env),
		replicationControllerResource(env),
	}
}
