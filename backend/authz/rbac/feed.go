package rbac

import (
	"encoding/json"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/klog/v2"
)

// Follow keeps the policy in step with the registry's Roles, ClusterRoles and
// bindings from now on: each change holds before its writer is answered.
func (a *Authorizer) Follow(r *registry.Registry) error {
	for resource, f := range map[string]func(current, previous *watchcache.Object) error{
		"clusterroles":        a.followRole,
		"roles":               a.followRole,
		"clusterrolebindings": a.followBinding,
		"rolebindings":        a.followBinding,
	} {
		store := r.Store(rbacv1.GroupName, resource)
		if store == nil {
			return fmt.Errorf("rbac: %s are not served", resource)
		}
		store.Observe(func(current, previous *watchcache.Object) {
			if err := f(current, previous); err != nil {
				// What cannot be read allows nothing, and says so.
				klog.ErrorS(err, "RBAC object left out of the policy", "resource", resource)
			}
		})
	}
	return nil
}

func (a *Authorizer) followRole(current, previous *watchcache.Object) error {
	if current == nil {
		return a.DeleteRole(previous.Namespace, previous.Name)
	}
	var role struct {
		Rules []rbacv1.PolicyRule `json:"rules"`
	}
	if err := json.Unmarshal(current.Raw, &role); err != nil {
		_ = a.DeleteRole(current.Namespace, current.Name)
		return fmt.Errorf("role %s: %w", current.Key, err)
	}
	return a.SetRole(current.Namespace, current.Name, role.Rules)
}

func (a *Authorizer) followBinding(current, previous *watchcache.Object) error {
	if current == nil {
		return a.DeleteBinding(previous.Namespace, previous.Name)
	}
	var binding struct {
		RoleRef  rbacv1.RoleRef   `json:"roleRef"`
		Subjects []rbacv1.Subject `json:"subjects"`
	}
	if err := json.Unmarshal(current.Raw, &binding); err != nil {
		_ = a.DeleteBinding(current.Namespace, current.Name)
		return fmt.Errorf("binding %s: %w", current.Key, err)
	}
	return a.SetBinding(current.Namespace, current.Name, binding.RoleRef, binding.Subjects)
}
