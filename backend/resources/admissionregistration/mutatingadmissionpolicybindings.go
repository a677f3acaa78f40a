package admissionregistration

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mutatingAdmissionPolicyBindings say where a policy acts, and with which
// parameters.
func mutatingAdmissionPolicyBindings(env *registry.Env) registry.Resource {
	type binding = admissionregistrationv1.MutatingAdmissionPolicyBinding
	main := configuration(func(b *binding) any { return b.Spec }, validateMutatingBinding)
	main = readers(main, field.NewPath("spec", "paramRef"), func(ctx context.Context, b, _ *binding) error {
		return mayReadParams(ctx, env, "mutatingadmissionpolicies", b.Spec.PolicyName, b.Spec.ParamRef)
	})
	return registry.Resource{
		Group:         group,
		Name:          "mutatingadmissionpolicybindings",
		Singular:      "mutatingadmissionpolicybinding",
		Kind:          "MutatingAdmissionPolicyBinding",
		Categories:    []string{"api-extensions"},
		HashedVersion: "v1beta1",
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &binding{} },
			Default: registry.Typed(func(b *binding) { defaultMatchResources(b.Spec.MatchResources) }),
		}},
		Strategy: main.Strategy(),
		Columns:  bindingColumns,
		Cells: registry.Row(func(b *binding, now registry.Clock) []any {
			return []any{b.Name, b.Spec.PolicyName, paramRefCell(b.Spec.ParamRef), printers.Since(b.CreationTimestamp, now)}
		}),
	}
}

func validateMutatingBinding(b, _ *admissionregistrationv1.MutatingAdmissionPolicyBinding) field.ErrorList {
	at := field.NewPath("spec")
	errs := validateBindingHead(b.Spec.PolicyName, b.Spec.ParamRef, b.Spec.MatchResources, at)
	if b.Spec.MatchResources != nil {
		errs = append(errs, validateMutable(b.Spec.MatchResources, at.Child("matchResources"))...)
	}
	return errs
}
