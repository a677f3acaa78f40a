package admissionregistration

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatingAdmissionPolicies refuse requests by expressions; they act where a
// binding says so.
func validatingAdmissionPolicies(env *registry.Env) registry.Resource {
	type policy = admissionregistrationv1.ValidatingAdmissionPolicy
	main := configuration(func(p *policy) any { return p.Spec }, validateValidatingPolicy)
	main.PrepareForCreate = func(_ context.Context, p *policy) {
		p.Status = admissionregistrationv1.ValidatingAdmissionPolicyStatus{}
		p.Generation = 1
	}
	main.PrepareForUpdate = func(_ context.Context, p, old *policy) {
		p.Status = old.Status
		if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
			p.Generation = old.Generation + 1
		}
	}
	main = readers(main, field.NewPath("spec", "paramKind"), func(ctx context.Context, p, old *policy) error {
		var before *admissionregistrationv1.ParamKind
		if old != nil {
			before = old.Spec.ParamKind
		}
		return mayReadKind(ctx, env, p.Spec.ParamKind, before)
	})
	main.ResetFields = map[string][]string{group + "/v1": {"status"}}
	status := registry.For[*policy]{
		PrepareForUpdate: func(_ context.Context, p, old *policy) {
			p.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&p.ObjectMeta, &old.ObjectMeta)
		},
		ValidateUpdate: func(_ context.Context, p, _ *policy) field.ErrorList {
			return validatePolicyStatus(&p.Status, field.NewPath("status"))
		},
		RequireResourceVersion: true,
		ResetFields:            map[string][]string{group + "/v1": {"metadata", "spec"}},
	}.Strategy()
	return registry.Resource{
		Group:      group,
		Name:       "validatingadmissionpolicies",
		Singular:   "validatingadmissionpolicy",
		Kind:       "ValidatingAdmissionPolicy",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &policy{} },
			Default: registry.Typed(func(p *policy) {
				setDefault(&p.Spec.FailurePolicy, admissionregistrationv1.Fail)
				defaultMatchResources(p.Spec.MatchConstraints)
			}),
		}},
		Strategy: main.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Validations", "Validations indicates the number of validation rules defined in this configuration"),
			printers.Column("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
			printers.Age,
		},
		Cells: registry.Row(func(p *policy, now registry.Clock) []any {
			return []any{p.Name, int64(len(p.Spec.Validations)), paramKindCell(p.Spec.ParamKind), printers.Since(p.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func paramKindCell(k *admissionregistrationv1.ParamKind) string {
	if k == nil {
		return "<unset>"
	}
	return k.APIVersion + "/" + k.Kind
}

func validatePolicyStatus(s *admissionregistrationv1.ValidatingAdmissionPolicyStatus, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.TypeChecking != nil {
		warnings := at.Child("typeChecking", "expressionWarnings")
		for i, w := range s.TypeChecking.ExpressionWarnings {
			errs = append(errs, validateWarning(&w, warnings.Index(i))...)
		}
	}
	return append(errs, metav1validation.ValidateConditions(s.Conditions, at.Child("conditions"))...)
}
