package admissionregistration

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/resources/validate"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/util/jsonpath"
)

const (
	maxAuditAnnotations = 20
	// maxAuditExpression bounds the expression of an audit annotation's value,
	// in bytes.
	maxAuditExpression = 5 * 1024
)

var reasons = []metav1.StatusReason{metav1.StatusReasonForbidden, metav1.StatusReasonInvalid, metav1.StatusReasonRequestEntityTooLarge}

// policyContext is what checking the expressions of one policy needs.
type policyContext struct {
	compiler *cel.Compiler
	params   bool
	old      known
}

func validateValidatingPolicy(p, old *admissionregistrationv1.ValidatingAdmissionPolicy) field.ErrorList {
	spec, at := &p.Spec, field.NewPath("spec")
	before, sameConditions := known{}, false
	if old != nil {
		before = expressionsOf(&old.Spec)
		sameConditions = equality.Semantic.DeepEqual(spec.ParamKind, old.Spec.ParamKind) &&
			equality.Semantic.DeepEqual(spec.MatchConditions, old.Spec.MatchConditions)
	}
	compiler, err := policyCompiler(spec.Variables)
	if err != nil {
		return field.ErrorList{field.InternalError(at, err)}
	}
	c := policyContext{compiler, spec.ParamKind != nil, before}

	errs := validatePolicyHead(spec.FailurePolicy, spec.ParamKind, spec.MatchConstraints, at)
	if !sameConditions {
		errs = append(errs, validateMatchConditions(spec.MatchConditions, c.params, c.old, at.Child("matchConditions"))...)
	}
	declared := cel.Declared{Params: c.params, Authorizer: true}
	errs = append(errs, validateVariables(compiler, spec.Variables, declared, c.old, at.Child("variables"))...)
	if len(spec.Validations) == 0 && len(spec.AuditAnnotations) == 0 {
		const either = "validations or auditAnnotations must contain at least one item"
		return append(errs, field.Required(at.Child("validations"), either), field.Required(at.Child("auditAnnotations"), either))
	}
	for i := range spec.Validations {
		errs = append(errs, validateValidation(c, &spec.Validations[i], at.Child("validations").Index(i))...)
	}
	return append(errs, validateAuditAnnotations(c, p.Name, spec.AuditAnnotations, at.Child("auditAnnotations"))...)
}

// expressionsOf gives the expressions that a stored policy has.
func expressionsOf(s *admissionregistrationv1.ValidatingAdmissionPolicySpec) known {
	k := known{}.add(s.MatchConditions)
	for _, v := range s.Variables {
		k[v.Expression] = true
	}
	for _, v := range s.Validations {
		k[v.Expression], k[v.MessageExpression] = true, true
	}
	for _, a := range s.AuditAnnotations {
		k[a.ValueExpression] = true
	}
	return k
}

// validatePolicyHead checks what both kinds of policy begin with.
func validatePolicyHead(failure *admissionregistrationv1.FailurePolicyType, params *admissionregistrationv1.ParamKind, match *admissionregistrationv1.MatchResources, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if failure == nil {
		errs = append(errs, field.Required(at.Child("failurePolicy"), ""))
	} else {
		errs = append(errs, validate.OneOf(at.Child("failurePolicy"), *failure, failurePolicies)...)
	}
	if params != nil {
		errs = append(errs, validateParamKind(params, at.Child("paramKind"))...)
	}
	constraints := at.Child("matchConstraints")
	if match == nil {
		return append(errs, field.Required(constraints, ""))
	}
	errs = append(errs, validateMatchResources(match, constraints)...)
	if len(match.ResourceRules) == 0 {
		errs = append(errs, field.Required(constraints.Child("resourceRules"), ""))
	}
	return errs
}

func validateValidation(c policyContext, v *admissionregistrationv1.Validation, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	expression, message := at.Child("expression"), at.Child("messageExpression")
	if strings.TrimSpace(v.Expression) == "" {
		errs = append(errs, field.Required(expression, "expression is not specified"))
	} else {
		compiled := c.compiler.Compile(cel.Condition(v.Expression), cel.Declared{Params: c.params, Authorizer: true}, c.old.mode(v.Expression))
		errs = append(errs, compileError(compiled, v.Expression, expression)...)
	}
	switch {
	case v.MessageExpression == "":
	case strings.TrimSpace(v.MessageExpression) == "":
		errs = append(errs, field.Invalid(message, v.MessageExpression, "must be non-empty if specified"))
	default:
		compiled := c.compiler.Compile(cel.Message(v.MessageExpression), cel.Declared{Params: c.params}, c.old.mode(v.MessageExpression))
		errs = append(errs, compileError(compiled, v.MessageExpression, message)...)
	}
	trimmed := strings.TrimSpace(v.Message)
	if v.Message != "" && trimmed == "" {
		errs = append(errs, field.Invalid(at.Child("message"), v.Message, "must be non-empty if specified"))
	} else if strings.ContainsAny(trimmed, "\n\r") {
		errs = append(errs, field.Invalid(at.Child("message"), v.Message, "must not contain line breaks"))
	}
	if v.Reason != nil {
		errs = append(errs, validate.OneOf(at.Child("reason"), *v.Reason, reasons)...)
	}
	return errs
}

func validateAuditAnnotations(c policyContext, policy string, annotations []admissionregistrationv1.AuditAnnotation, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(annotations) > maxAuditAnnotations {
		errs = append(errs, field.Invalid(at, validate.Internal(annotations), fmt.Sprintf("must not have more than %d auditAnnotations", maxAuditAnnotations)))
	}
	for i := range annotations {
		errs = append(errs, validateAuditAnnotation(c, policy, &annotations[i], at.Index(i))...)
		if slices.ContainsFunc(annotations[:i], func(a admissionregistrationv1.AuditAnnotation) bool { return a.Key == annotations[i].Key }) {
			errs = append(errs, field.Duplicate(at.Index(i).Child("key"), annotations[i].Key))
		}
	}
	return errs
}

// validateAuditAnnotation wants a key that, after the policy's name, is a
// qualified name: so it is what the audit event has.
func validateAuditAnnotation(c policyContext, policy string, a *admissionregistrationv1.AuditAnnotation, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if policy == "" {
		errs = append(errs, field.Invalid(at.Child("key"), a.Key, "requires metadata.name be non-empty"))
	} else {
		errs = append(errs, validate.QualifiedName(policy+"/"+a.Key, at.Child("key"))...)
	}
	expression, text := at.Child("valueExpression"), strings.TrimSpace(a.ValueExpression)
	switch {
	case text == "":
		return append(errs, field.Required(expression, "valueExpression is not specified"))
	case len(text) > maxAuditExpression:
		return append(errs, field.Required(expression, fmt.Sprintf("must not exceed %d bytes in length", maxAuditExpression)))
	}
	compiled := c.compiler.Compile(cel.AuditAnnotation(text), cel.Declared{Params: c.params, Authorizer: true}, c.old.mode(a.ValueExpression))
	return append(errs, compileError(compiled, a.ValueExpression, expression)...)
}

// validateWarning checks what type checking found; fieldRef is a JSONPath.
func validateWarning(w *admissionregistrationv1.ExpressionWarning, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if w.Warning == "" {
		errs = append(errs, field.Required(at.Child("warning"), ""))
	}
	ref := strings.TrimSpace(w.FieldRef)
	if ref == "" {
		return append(errs, field.Required(at.Child("fieldRef"), ""))
	}
	if err := jsonpath.New("spec").Parse("{" + ref + "}"); err != nil {
		errs = append(errs, field.Invalid(at.Child("fieldRef"), ref, fmt.Sprintf("invalid JSONPath: %v", err)))
	}
	return errs
}
