// Package resources lists every built-in kind. Each group has a package of its
// own, each kind a file in it; a new kind is a file there and a line in the
// group's list.go. Read core/configmap.go for the shortest example.
package resources

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/admissionregistration"
	"pilothouse/backend/resources/apiextensions"
	"pilothouse/backend/resources/apiregistration"
	"pilothouse/backend/resources/apps"
	"pilothouse/backend/resources/authentication"
	"pilothouse/backend/resources/authorization"
	"pilothouse/backend/resources/autoscaling"
	"pilothouse/backend/resources/batch"
	"pilothouse/backend/resources/certificates"
	"pilothouse/backend/resources/coordination"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/resources/discovery"
	"pilothouse/backend/resources/events"
	"pilothouse/backend/resources/flowcontrol"
	"pilothouse/backend/resources/networking"
	"pilothouse/backend/resources/node"
	"pilothouse/backend/resources/policy"
	"pilothouse/backend/resources/rbac"
	"pilothouse/backend/resources/resource"
	"pilothouse/backend/resources/scheduling"
	"pilothouse/backend/resources/storage"
)

// All gives the built-in kinds, group by group.
func All(env *registry.Env) []registry.Resource {
	var all []registry.Resource
	for _, group := range []func(*registry.Env) []registry.Resource{
		admissionregistration.Resources,
		apps.Resources,
		batch.Resources,
		apiextensions.Resources,
		apiregistration.Resources,
		authentication.Resources,
		authorization.Resources,
		autoscaling.Resources,
		certificates.Resources,
		coordination.Resources,
		core.Resources,
		discovery.Resources,
		events.Resources,
		flowcontrol.Resources,
		networking.Resources,
		node.Resources,
		policy.Resources,
		rbac.Resources,
		resource.Resources,
		scheduling.Resources,
		storage.Resources,
	} {
		all = append(all, group(env)...)
	}
	return all
}

// Repair brings objects that stand for others (the addresses of Services) in
// line with them. Call it once, between the registry's start and the first
// request.
func Repair(ctx context.Context, env *registry.Env) error { return core.Repair(ctx, env) }
