// Package core owns the kinds of the core group ("v1"): one file per kind, with
// what Kubernetes' strategies, defaults, validation and printers say about it.
// What several kinds share lies in resources/validate and resources/printers.
// Read list.go first.
package core

import "pilothouse/backend/registry"

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return append([]registry.Resource{
		bindingResource(env),
		componentStatusResource(env),
		configMapResource(env),
		endpointsResource(env),
		eventResource(env),
		limitRangeResource(env),
		namespaceResource(env),
		nodeResource(env),
		persistentVolumeClaimResource(env),
		persistentVolumeResource(env),
		resourceQuotaResource(env),
		secretResource(env),
		serviceAccountResource(env),
		serviceResource(env),
	}, podResources(env)...)
}

// viewVerbs are the verbs of a subresource that is a view of the object.
var viewVerbs = []string{"get", "patch", "update"}

// proxyVerbs are the verbs of a proxy subresource.
var proxyVerbs = []string{"create", "delete", "get", "patch", "update"}
