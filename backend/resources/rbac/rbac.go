// Package rbac owns the built-in resources of the group rbac.authorization.k8s.io:
// roles and their bindings. Each file is one resource; Resources lists them.
package rbac

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
)

// group is the API group of every resource here.
const group = "rbac.authorization.k8s.io"

// Resources gives the resources of the group in the order of discovery.
func Resources(env *registry.Env) []registry.Resource {
	return []registry.Resource{
		guard(env, roles(), checkRole("roles", func(o scheme.Object) ([]rbacv1.PolicyRule, bool) { return o.(*rbacv1.Role).Rules, false })),
		guard(env, roleBindings(), checkBinding("rolebindings", func(o scheme.Object) rbacv1.RoleRef { return o.(*rbacv1.RoleBinding).RoleRef })),
		guard(env, clusterRoles(), checkRole("clusterroles", func(o scheme.Object) ([]rbacv1.PolicyRule, bool) {
			r := o.(*rbacv1.ClusterRole)
			return r.Rules, r.AggregationRule != nil && len(r.AggregationRule.ClusterRoleSelectors) > 0
		})),
		guard(env, clusterRoleBindings(), checkBinding("clusterrolebindings", func(o scheme.Object) rbacv1.RoleRef { return o.(*rbacv1.ClusterRoleBinding).RoleRef })),
	}
}

func guard(env *registry.Env, r registry.Resource, check grants) registry.Resource {
	r.Strategy = guarded(env, r.Strategy, check)
	return r
}
