package policy

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	policyv1 "k8s.io/api/policy/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func podDisruptionBudgetResource(env *registry.Env) registry.Resource {
	status := registry.For[*policyv1.PodDisruptionBudget]{
		SkipsMetaChanges: true,
		PrepareForUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) { b.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, b, _ *policyv1.PodDisruptionBudget) field.ErrorList {
			return validateBudgetStatus(&b.Status)
		},
		RequireResourceVersion: true,
		ResetFields:            map[string][]string{"policy/v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:      "policy",
		Name:       "poddisruptionbudgets",
		Singular:   "poddisruptionbudget",
		Kind:       "PodDisruptionBudget",
		ShortNames: []string{"pdb"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &policyv1.PodDisruptionBudget{} }}},
		Strategy: registry.For[*policyv1.PodDisruptionBudget]{
			SkipsMetaChanges: true,
			// Kubernetes never gave these names a rule of their own.
			ValidateName: path.ValidatePathSegmentName,
			PrepareForCreate: func(_ context.Context, b *policyv1.PodDisruptionBudget) {
				b.Generation = 1
				b.Status = policyv1.PodDisruptionBudgetStatus{}
			},
			PrepareForUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) {
				b.Status = old.Status
				b.Generation = old.Generation
				if !apiequality.Semantic.DeepEqual(b.Spec, old.Spec) {
					b.Generation++
				}
			},
			Validate: func(_ context.Context, b *policyv1.PodDisruptionBudget) field.ErrorList {
				return validateBudget(&b.Spec, false)
			},
			ValidateUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) field.ErrorList {
				return validateBudget(&b.Spec, hasInvalidSelector(&old.Spec))
			},
			RequireResourceVersion: true,
			ResetFields:            map[string][]string{"policy/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Min Available", "The minimum number of pods that must be available."),
			printers.Column("Max Unavailable", "The maximum number of pods that may be unavailable."),
			printers.Integer("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
			printers.Age,
		},
		Cells: registry.Row(func(b *policyv1.PodDisruptionBudget, now registry.Clock) []any {
			return []any{
				b.Name,
				orNone(b.Spec.MinAvailable),
				orNone(b.Spec.MaxUnavailable),
				int64(b.Status.DisruptionsAllowed),
				printers.Since(b.CreationTimestamp, now),
			}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func orNone(v *intstr.IntOrString) string {
	if v == nil {
		return "N/A"
	}
	return v.String()
}

var evictionPolicies = []policyv1.UnhealthyPodEvictionPolicyType{policyv1.AlwaysAllow, policyv1.IfHealthyBudget}

func hasInvalidSelector(spec *policyv1.PodDisruptionBudgetSpec) bool {
	return len(metav1validation.ValidateLabelSelector(spec.Selector, metav1validation.LabelSelectorValidationOptions{}, nil)) > 0
}

func validateBudget(spec *policyv1.PodDisruptionBudgetSpec, allowInvalidSelector bool) field.ErrorList {
	at := field.NewPath("spec")
	var errs field.ErrorList
	if spec.MinAvailable != nil && spec.MaxUnavailable != nil {
		errs = append(errs, field.Invalid(at, validate.Internal(spec), "minAvailable and maxUnavailable cannot be both set"))
	}
	if spec.MinAvailable != nil {
		errs = append(errs, validate.NumberOrPercent(*spec.MinAvailable, at.Child("minAvailable"))...)
	}
	if spec.MaxUnavailable != nil {
		errs = append(errs, validate.NumberOrPercent(*spec.MaxUnavailable, at.Child("maxUnavailable"))...)
	}
	options := metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: allowInvalidSelector}
	errs = append(errs, metav1validation.ValidateLabelSelector(spec.Selector, options, at.Child("selector"))...)
	if p := spec.UnhealthyPodEvictionPolicy; p != nil {
		errs = append(errs, validate.OneOf(at.Child("unhealthyPodEvictionPolicy"), *p, evictionPolicies)...)
	}
	return errs
}

func validateBudgetStatus(s *policyv1.PodDisruptionBudgetStatus) field.ErrorList {
	at := field.NewPath("status")
	errs := metav1validation.ValidateConditions(s.Conditions, at.Child("conditions"))
	for _, n := range []struct {
		name  string
		value int32
	}{
		{"disruptionsAllowed", s.DisruptionsAllowed},
		{"currentHealthy", s.CurrentHealthy},
		{"desiredHealthy", s.DesiredHealthy},
		{"expectedPods", s.ExpectedPods},
	} {
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(n.value), at.Child(n.name))...)
	}
	return errs
}
