package admissionregistration

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatingAdmissionPolicyBindings say where a policy acts, and with which
// parameters.
func validatingAdmissionPolicyBindings(env *registry.Env) registry.Resource {
	type binding = admissionregistrationv1.ValidatingAdmissionPolicyBinding
	main := configuration(func(b *binding) any { return b.Spec }, validateValidatingBinding)
	main = readers(main, field.NewPath("spec", "paramRef"), func(ctx context.Context, b, _ *binding) error {
		return mayReadParams(ctx, env, "validatingadmissionpolicies", b.Spec.PolicyName, b.Spec.ParamRef)
	})
	return registry.Resource{
		Group:      group,
		Name:       "validatingadmissionpolicybindings",
		Singular:   "validatingadmissionpolicybinding",
		Kind:       "ValidatingAdmissionPolicyBinding",
		Categories: []string{"api-extensions"},
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

func validateValidatingBinding(b, _ *admissionregistrationv1.ValidatingAdmissionPolicyBinding) field.ErrorList {
	at := field.NewPath("spec")
	errs := validateBindingHead(b.Spec.PolicyName, b.Spec.ParamRef, b.Spec.MatchResources, at)
	return append(errs, validateActions(b.Spec.ValidationActions, at.Child("validationActions"))...)
}
