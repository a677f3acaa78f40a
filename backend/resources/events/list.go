// Package events owns the events of events.k8s.io: the same stored objects as
// the core group's events, in their newer form.
package events

import "pilothouse/backend/registry"

// Resources gives the kinds of this package.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{eventResource(env)}
}
