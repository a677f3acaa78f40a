// Package resources lists every built-in kind. Each group has a package of its
// own, each kind a file in it; a new kind is a file there and a line in the
// group's list.go. Read core/configmap.go for the shortest example.
package resources

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/resources/discovery"
	"pilothouse/backend/resources/events"
	"pilothouse/backend/resources/networking"
	"pilothouse/backend/resources/policy"
)

// All gives the built-in kinds, group by group.
func All(env *registry.Env) []registry.Resource {
	var all []registry.Resource
	for _, group := range []func(*registry.Env) []registry.Resource{
		core.Resources,
		discovery.Resources,
		events.Resources,
		networking.Resources,
		policy.Resources,
	} {
		all = append(all, group(env)...)
	}
	return all
}
