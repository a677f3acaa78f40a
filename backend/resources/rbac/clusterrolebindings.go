package rbac

import (
	"context"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// clusterRoleBindings grant a ClusterRole everywhere. The roleRef is fixed once
// created.
func clusterRoleBindings() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "clusterrolebindings",
		Singular: "clusterrolebinding",
		Kind:     "ClusterRoleBinding",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &rbacv1.ClusterRoleBinding{} },
			Default: registry.Typed(func(b *rbacv1.ClusterRoleBinding) {
				defaultBinding(&b.RoleRef, b.Subjects)
			}),
		}},
		Strategy: registry.For[*rbacv1.ClusterRoleBinding]{
			ValidateName: path.ValidatePathSegmentName,
			Validate: func(_ context.Context, b *rbacv1.ClusterRoleBinding) field.ErrorList {
				return validateBinding(b.RoleRef, b.Subjects, false)
			},
			ValidateUpdate: func(_ context.Context, b, old *rbacv1.ClusterRoleBinding) field.ErrorList {
				errs := validateBinding(b.RoleRef, b.Subjects, false)
				return append(errs, validateSameRoleRef(b.RoleRef, old.RoleRef)...)
			},
			AllowCreateOnUpdate:   true,
			ValidatesMetaOnUpdate: 1,
		}.Strategy(),
		Columns: bindingColumns(rbacv1beta1.ClusterRoleBinding{}.SwaggerDoc()["roleRef"], "clusterRoleBinding"),
		Cells: registry.Row(func(b *rbacv1.ClusterRoleBinding, now registry.Clock) []any {
			return bindingCells(b, b.RoleRef, b.Subjects, now)
		}),
	}
}

// bindingCells is the row of both kinds of binding.
func bindingCells(obj metav1.Object, ref rbacv1.RoleRef, subjects []rbacv1.Subject, now registry.Clock) []any {
	var users, groups, accounts []string
	for _, s := range subjects {
		switch s.Kind {
		case rbacv1.UserKind:
			users = append(users, s.Name)
		case rbacv1.GroupKind:
			groups = append(groups, s.Name)
		case rbacv1.ServiceAccountKind:
			accounts = append(accounts, s.Namespace+"/"+s.Name)
		}
	}
	return []any{
		obj.GetName(),
		ref.Kind + "/" + ref.Name,
		printers.Since(obj.GetCreationTimestamp(), now),
		strings.Join(users, ", "),
		strings.Join(groups, ", "),
		strings.Join(accounts, ", "),
	}
}
