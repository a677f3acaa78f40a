package rbac

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// clusterRoles are rules for the whole cluster, given or gathered from other
// ClusterRoles by aggregationRule.
func clusterRoles() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "clusterroles",
		Singular: "clusterrole",
		Kind:     "ClusterRole",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &rbacv1.ClusterRole{} },
		}},
		Strategy: registry.For[*rbacv1.ClusterRole]{
			ValidateName: path.ValidatePathSegmentName,
			Validate: func(_ context.Context, r *rbacv1.ClusterRole) field.ErrorList {
				return validateClusterRole(r, metav1validation.LabelSelectorValidationOptions{})
			},
			ValidateUpdate: func(_ context.Context, r, old *rbacv1.ClusterRole) field.ErrorList {
				return validateClusterRole(r, metav1validation.LabelSelectorValidationOptions{
					AllowInvalidLabelValueInSelector: hasInvalidSelectorValue(old),
				})
			},
			AllowCreateOnUpdate:   true,
			ValidatesMetaOnUpdate: 1,
		}.Strategy(),
		Columns: printers.DefaultColumns,
		Cells: registry.Row(func(r *rbacv1.ClusterRole, _ registry.Clock) []any {
			return printers.DefaultCells(r)
		}),
	}
}

func validateClusterRole(r *rbacv1.ClusterRole, opts metav1validation.LabelSelectorValidationOptions) field.ErrorList {
	errs := validateRules(r.Rules, false, field.NewPath("rules"))
	if r.AggregationRule == nil {
		return errs
	}
	selectors := field.NewPath("aggregationRule", "clusterRoleSelectors")
	if len(r.AggregationRule.ClusterRoleSelectors) == 0 {
		errs = append(errs, field.Required(selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
	}
	for i := range r.AggregationRule.ClusterRoleSelectors {
		selector := &r.AggregationRule.ClusterRoleSelectors[i]
		errs = append(errs, metav1validation.ValidateLabelSelector(selector, opts, selectors.Index(i))...)
		if parsed, err := metav1.LabelSelectorAsSelector(selector); err != nil {
			errs = append(errs, field.Invalid(selectors.Index(i), parsed, "invalid label selector."))
		}
	}
	return errs
}

// hasInvalidSelectorValue tells an old object that must stay updatable although
// its selectors would be refused today.
func hasInvalidSelectorValue(r *rbacv1.ClusterRole) bool {
	if r.AggregationRule == nil {
		return false
	}
	for i := range r.AggregationRule.ClusterRoleSelectors {
		errs := metav1validation.ValidateLabelSelector(&r.AggregationRule.ClusterRoleSelectors[i], metav1validation.LabelSelectorValidationOptions{}, nil)
		if len(errs) > 0 {
			return true
		}
	}
	return false
}
