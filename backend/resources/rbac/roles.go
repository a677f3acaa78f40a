package rbac

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
)

func roles() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "roles",
		Singular:   "role",
		Kind:       "Role",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &rbacv1.Role{} },
		}},
	}
}
