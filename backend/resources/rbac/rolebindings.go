package rbac

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// roleBindings grant a Role or a ClusterRole in their namespace. The roleRef is
// fixed once created.
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
			Default: registry.Typed(func(b *rbacv1.RoleBinding) {
				defaultBinding(&b.RoleRef, b.Subjects)
			}),
		}},
		Strategy: registry.For[*rbacv1.RoleBinding]{
			ValidateName: path.ValidatePathSegmentName,
			Validate: func(_ context.Context, b *rbacv1.RoleBinding) field.ErrorList {
				return validateBinding(b.RoleRef, b.Subjects, true)
			},
			ValidateUpdate: func(_ context.Context, b, old *rbacv1.RoleBinding) field.ErrorList {
				errs := validateBinding(b.RoleRef, b.Subjects, true)
				return append(errs, validateSameRoleRef(b.RoleRef, old.RoleRef)...)
			},
			AllowCreateOnUpdate:   true,
			ValidatesMetaOnUpdate: 1,
		}.Strategy(),
		Columns: bindingColumns(rbacv1beta1.RoleBinding{}.SwaggerDoc()["roleRef"], "roleBinding"),
		Cells: registry.Row(func(b *rbacv1.RoleBinding, now registry.Clock) []any {
			return bindingCells(b, b.RoleRef, b.Subjects, now)
		}),
	}
}

// defaultBinding fills in the API groups that Kubernetes knows by kind.
func defaultBinding(ref *rbacv1.RoleRef, subjects []rbacv1.Subject) {
	if ref.APIGroup == "" {
		ref.APIGroup = group
	}
	for i := range subjects {
		s := &subjects[i]
		if s.APIGroup == "" && (s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind) {
			s.APIGroup = group
		}
	}
}

func validateSameRoleRef(ref, old rbacv1.RoleRef) field.ErrorList {
	if ref == old {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("roleRef"), validate.Internal(ref), "cannot change roleRef")}
}

func bindingColumns(roleDoc, what string) []registry.Column {
	return []registry.Column{
		printers.Name,
		printers.Column("Role", roleDoc),
		printers.Age,
		printers.Wide("Users", "Users in the "+what),
		printers.Wide("Groups", "Groups in the "+what),
		printers.Wide("ServiceAccounts", "ServiceAccounts in the "+what),
	}
}
