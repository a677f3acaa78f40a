package rbac

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// roles are namespaced rules. Their names need only fit into a path, and PUT
// creates them. Who may grant what is the authorizer's question.
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
		Strategy: registry.For[*rbacv1.Role]{
			ValidateName:          path.ValidatePathSegmentName,
			Validate:              func(_ context.Context, r *rbacv1.Role) field.ErrorList { return validateRole(r) },
			ValidateUpdate:        func(_ context.Context, r, _ *rbacv1.Role) field.ErrorList { return validateRole(r) },
			AllowCreateOnUpdate:   true,
			ValidatesMetaOnUpdate: 1,
		}.Strategy(),
		Columns: printers.DefaultColumns,
		Cells: registry.Row(func(r *rbacv1.Role, _ registry.Clock) []any {
			return printers.DefaultCells(r)
		}),
	}
}

func validateRole(r *rbacv1.Role) field.ErrorList {
	return validateRules(r.Rules, true, field.NewPath("rules"))
}
