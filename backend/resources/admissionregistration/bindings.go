package admissionregistration

import (
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// bindingColumns are those of both kinds of binding.
var bindingColumns = []registry.Column{
	printers.Name,
	printers.Column("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
	printers.Column("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
	printers.Age,
}

// paramRefCell cannot tell whether parameters are namespaced, so a name without
// a namespace stands for all of them.
func paramRefCell(r *admissionregistrationv1.ParamRef) string {
	switch {
	case r == nil:
		return "<unset>"
	case r.Name != "" && r.Namespace != "":
		return r.Namespace + "/" + r.Name
	case r.Name != "":
		return "*/" + r.Name
	case r.Selector != nil:
		return r.Selector.String()
	}
	return "<unset>"
}

// validateBindingHead checks what both kinds of binding begin with.
func validateBindingHead(policy string, params *admissionregistrationv1.ParamRef, match *admissionregistrationv1.MatchResources, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if policy == "" {
		errs = append(errs, field.Required(at.Child("policyName"), ""))
	} else {
		errs = append(errs, validate.Messages(at.Child("policyName"), policy, apivalidation.NameIsDNSSubdomain(policy, false))...)
	}
	if params != nil {
		errs = append(errs, validateParamRef(params, at.Child("paramRef"))...)
	}
	if match != nil {
		errs = append(errs, validateMatchResources(match, at.Child("matchResources"))...)
	}
	return errs
}

// validateParamRef wants a name or a selector, and what to do if there are no
// such parameters.
func validateParamRef(r *admissionregistrationv1.ParamRef, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	const exclusive = "name and selector are mutually exclusive"
	if r.Name != "" {
		errs = append(errs, validate.Messages(at.Child("name"), r.Name, path.IsValidPathSegmentName(r.Name))...)
		if r.Selector != nil {
			errs = append(errs, field.Forbidden(at.Child("name"), exclusive))
		}
	}
	if r.Selector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(r.Selector, metav1validation.LabelSelectorValidationOptions{}, at.Child("selector"))...)
		if r.Name != "" {
			errs = append(errs, field.Forbidden(at.Child("selector"), exclusive))
		}
	}
	if r.Name == "" && r.Selector == nil {
		errs = append(errs, field.Required(at, "one of name or selector must be specified"))
	}
	action := at.Child("parameterNotFoundAction")
	if r.ParameterNotFoundAction == nil || *r.ParameterNotFoundAction == "" {
		return append(errs, field.Required(action, ""))
	}
	return append(errs, validate.OneOf(action, *r.ParameterNotFoundAction, []admissionregistrationv1.ParameterNotFoundActionType{
		admissionregistrationv1.DenyAction, admissionregistrationv1.AllowAction,
	})...)
}

var validationActions = []admissionregistrationv1.ValidationAction{
	admissionregistrationv1.Audit, admissionregistrationv1.Deny, admissionregistrationv1.Warn,
}

func validateActions(actions []admissionregistrationv1.ValidationAction, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, action := range actions {
		errs = append(errs, validate.OneOf(at.Index(i), action, validationActions)...)
		if slices.Contains(actions[:i], action) {
			errs = append(errs, field.Duplicate(at.Index(i), action))
		}
	}
	if slices.Contains(actions, admissionregistrationv1.Deny) && slices.Contains(actions, admissionregistrationv1.Warn) {
		errs = append(errs, field.Invalid(at, actions, "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"))
	}
	if len(actions) == 0 {
		errs = append(errs, field.Required(at, "at least one validation action is required"))
	}
	return errs
}
