// Package autoscaling owns the built-in resources of the group autoscaling:
// horizontal pod autoscalers, stored as v2 and served as v1 too. Each file is one resource; Resources lists them.
package autoscaling

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "autoscaling"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		horizontalPodAutoscalers(),
	}
}
