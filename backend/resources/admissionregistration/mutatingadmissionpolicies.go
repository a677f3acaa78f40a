package admissionregistration

import (
	"context"
	"strings"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mutatingAdmissionPolicies change objects by expressions; they act where a
// binding says so.
func mutatingAdmissionPolicies(env *registry.Env) registry.Resource {
	type policy = admissionregistrationv1.MutatingAdmissionPolicy
	main := configuration(func(p *policy) any { return p.Spec }, validateMutatingPolicy)
	main = readers(main, field.NewPath("spec", "paramKind"), func(ctx context.Context, p, old *policy) error {
		var before *admissionregistrationv1.ParamKind
		if old != nil {
			before = old.Spec.ParamKind
		}
		return mayReadKind(ctx, env, p.Spec.ParamKind, before)
	})
	return registry.Resource{
		Group:         group,
		Name:          "mutatingadmissionpolicies",
		Singular:      "mutatingadmissionpolicy",
		Kind:          "MutatingAdmissionPolicy",
		Categories:    []string{"api-extensions"},
		HashedVersion: "v1beta1",
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
			printers.Integer("Mutations", "Mutation indicates the number of mutations rules defined in this configuration"),
			printers.Column("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
			printers.Age,
		},
		Cells: registry.Row(func(p *policy, now registry.Clock) []any {
			return []any{p.Name, int64(len(p.Spec.Mutations)), paramKindCell(p.Spec.ParamKind), printers.Since(p.CreationTimestamp, now)}
		}),
	}
}

func validateMutatingPolicy(p, old *admissionregistrationv1.MutatingAdmissionPolicy) field.ErrorList {
	spec, at := &p.Spec, field.NewPath("spec")
	before, sameConditions := known{}, false
	if old != nil {
		before = mutationsOf(&old.Spec)
		sameConditions = equality.Semantic.DeepEqual(spec.ParamKind, old.Spec.ParamKind) &&
			equality.Semantic.DeepEqual(spec.MatchConditions, old.Spec.MatchConditions)
	}
	compiler, err := policyCompiler(spec.Variables)
	if err != nil {
		return field.ErrorList{field.InternalError(at, err)}
	}
	c := policyContext{compiler, spec.ParamKind != nil, before}

	errs := validatePolicyHead(spec.FailurePolicy, spec.ParamKind, spec.MatchConstraints, at)
	if spec.MatchConstraints != nil {
		errs = append(errs, validateMutable(spec.MatchConstraints, at.Child("matchConstraints"))...)
	}
	if !sameConditions {
		errs = append(errs, validateMatchConditions(spec.MatchConditions, c.params, c.old, at.Child("matchConditions"))...)
	}
	declared := cel.Declared{Params: c.params, Authorizer: true}
	errs = append(errs, validateVariables(compiler, spec.Variables, declared, c.old, at.Child("variables"))...)
	if len(spec.Mutations) == 0 {
		errs = append(errs, field.Required(at.Child("mutations"), "mutations must contain at least one item"))
	}
	for i := range spec.Mutations {
		errs = append(errs, validateMutation(c, &spec.Mutations[i], at.Child("mutations").Index(i))...)
	}
	if spec.ReinvocationPolicy == "" {
		return append(errs, field.Required(at.Child("reinvocationPolicy"), ""))
	}
	return append(errs, validate.OneOf(at.Child("reinvocationPolicy"), spec.ReinvocationPolicy, []admissionregistrationv1.ReinvocationPolicyType{
		admissionregistrationv1.IfNeededReinvocationPolicy, admissionregistrationv1.NeverReinvocationPolicy,
	})...)
}

// mutationsOf gives the expressions that a stored policy has.
func mutationsOf(s *admissionregistrationv1.MutatingAdmissionPolicySpec) known {
	k := known{}.add(s.MatchConditions)
	for _, v := range s.Variables {
		k[v.Expression] = true
	}
	for _, m := range s.Mutations {
		if m.ApplyConfiguration != nil {
			k[m.ApplyConfiguration.Expression] = true
		}
		if m.JSONPatch != nil {
			k[m.JSONPatch.Expression] = true
		}
	}
	return k
}

// validateMutation wants the one field that the patch type names.
func validateMutation(c policyContext, m *admissionregistrationv1.Mutation, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	apply, patch := at.Child("applyConfiguration"), at.Child("jsonPatch")
	switch m.PatchType {
	case "":
		errs = append(errs, field.Required(at.Child("patchType"), ""))
	case admissionregistrationv1.PatchTypeJSONPatch:
		if m.JSONPatch == nil {
			errs = append(errs, field.Required(patch, "must be specified when patchType is JSONPatch"))
		} else {
			errs = append(errs, validatePatch(c, cel.JSONPatch(m.JSONPatch.Expression), patch.Child("expression"))...)
		}
		if m.ApplyConfiguration != nil {
			errs = append(errs, field.Invalid(apply, "{applyConfiguration}", "must not be specified when patchType is JSONPatch"))
		}
	case admissionregistrationv1.PatchTypeApplyConfiguration:
		if m.ApplyConfiguration == nil {
			errs = append(errs, field.Required(apply, "must be specified when patchType is ApplyConfiguration"))
		} else {
			errs = append(errs, validatePatch(c, cel.ApplyConfiguration(m.ApplyConfiguration.Expression), apply.Child("expression"))...)
		}
		if m.JSONPatch != nil {
			errs = append(errs, field.Invalid(patch, "{jsonPatch}", "must not be specified when patchType is ApplyConfiguration"))
		}
	default:
		errs = append(errs, field.NotSupported(at.Child("patchType"), m.PatchType, []admissionregistrationv1.PatchType{
			admissionregistrationv1.PatchTypeApplyConfiguration, admissionregistrationv1.PatchTypeJSONPatch,
		}))
	}
	return errs
}

func validatePatch(c policyContext, e cel.Expression, at *field.Path) field.ErrorList {
	if strings.TrimSpace(e.Text) == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	declared := cel.Declared{Params: c.params, Authorizer: true, Patches: true}
	return compileError(c.compiler.Compile(e, declared, c.old.mode(e.Text)), e.Text, at)
}
