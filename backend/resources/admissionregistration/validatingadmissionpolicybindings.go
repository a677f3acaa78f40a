package admissionregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatingAdmissionPolicyBindings say where a policy acts, and with which
// parameters.
func validatingAdmissionPolicyBindings() registry.Resource {
	type binding = admissionregistrationv1.ValidatingAdmissionPolicyBinding
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
		Strategy: configuration(func(b *binding) any { return b.Spec }, validateValidatingBinding).Strategy(),
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
