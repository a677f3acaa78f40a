// Package rbac owns the built-in resources of the group rbac.authorization.k8s.io:
// roles and their bindings. Each file is one resource; Resources lists them.
package rbac

import "pilothouse/backend/registry"

// group is the API group of every resource here.
const group = "rbac.authorization.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		roles(),
		roleBindings(),
		clusterRoles(),
		clusterRoleBindings(),
	}
}
