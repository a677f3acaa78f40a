package rbac

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
)

func roleBindings() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "rolebindings",
		Singular:   "rolebinding",
		Kind:       "RoleBinding",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &rbacv1.RoleBinding{} },
		}},
	}
}
