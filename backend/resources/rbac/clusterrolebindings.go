package rbac

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
)

func clusterRoleBindings() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "clusterrolebindings",
		Singular: "clusterrolebinding",
		Kind:     "ClusterRoleBinding",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &rbacv1.ClusterRoleBinding{} },
		}},
	}
}
