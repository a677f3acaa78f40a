package admissionregistration

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Supported values, sorted as errors list them.
var (
	operations = []admissionregistrationv1.OperationType{
		admissionregistrationv1.OperationAll, admissionregistrationv1.Connect, admissionregistrationv1.Create,
		admissionregistrationv1.Delete, admissionregistrationv1.Update,
	}
	// mutableOperations leaves out the one that has no object to change.
	mutableOperations = []admissionregistrationv1.OperationType{
		admissionregistrationv1.OperationAll, admissionregistrationv1.Connect, admissionregistrationv1.Create,
		admissionregistrationv1.Update,
	}
	scopes = []admissionregistrationv1.ScopeType{
		admissionregistrationv1.AllScopes, admissionregistrationv1.ClusterScope, admissionregistrationv1.NamespacedScope,
	}
	matchPolicies   = []admissionregistrationv1.MatchPolicyType{admissionregistrationv1.Equivalent, admissionregistrationv1.Exact}
	failurePolicies = []admissionregistrationv1.FailurePolicyType{admissionregistrationv1.Fail, admissionregistrationv1.Ignore}
)

func validateRule(r *admissionregistrationv1.RuleWithOperations, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	ops := at.Child("operations")
	if len(r.Operations) == 0 {
		errs = append(errs, field.Required(ops, ""))
	}
	if len(r.Operations) > 1 && slices.Contains(r.Operations, admissionregistrationv1.OperationAll) {
		errs = append(errs, field.Invalid(ops, r.Operations, "if '*' is present, must not specify other operations"))
	}
	for i, op := range r.Operations {
		errs = append(errs, validate.OneOf(ops.Index(i), op, operations)...)
	}
	errs = append(errs, validateStarred(r.APIGroups, "API groups", at.Child("apiGroups"))...)
	errs = append(errs, validateStarred(r.APIVersions, "API versions", at.Child("apiVersions"))...)
	for i, version := range r.APIVersions {
		if version == "" {
			errs = append(errs, field.Required(at.Child("apiVersions").Index(i), ""))
		}
	}
	errs = append(errs, validateResources(r.Resources, at.Child("resources"))...)
	if r.Scope != nil {
		errs = append(errs, validate.OneOf(at.Child("scope"), *r.Scope, scopes)...)
	}
	return errs
}

// validateStarred wants something, and nothing beside a "*".
func validateStarred(values []string, what string, at *field.Path) field.ErrorList {
	if len(values) == 0 {
		return field.ErrorList{field.Required(at, "")}
	}
	if len(values) > 1 && slices.Contains(values, "*") {
		return field.ErrorList{field.Invalid(at, values, "if '*' is present, must not specify other "+what)}
	}
	return nil
}

// validateResources wants resources and subresources such that none says what
// one before it, or one of the general forms, says already.
func validateResources(resources []string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(resources) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	allSubresourcesOf, subresourceOfAll := map[string]bool{}, map[string]bool{}
	var everything, allResources, plainResource bool
	for i, r := range resources {
		if r == "" {
			errs = append(errs, field.Required(at.Index(i), ""))
			continue
		}
		everything = everything || r == "*/*"
		allResources = allResources || r == "*"
		resource, sub, hasSub := strings.Cut(r, "/")
		if !hasSub {
			// Upstream looks at the last resource without a subresource only.
			plainResource = r != "*"
			continue
		}
		if allSubresourcesOf[resource] {
			errs = append(errs, field.Invalid(at.Index(i), r, fmt.Sprintf("if '%s/*' is present, must not specify %s", resource, r)))
		}
		if subresourceOfAll[sub] {
			errs = append(errs, field.Invalid(at.Index(i), r, fmt.Sprintf("if '*/%s' is present, must not specify %s", sub, r)))
		}
		if sub == "*" {
			allSubresourcesOf[resource] = true
		}
		if resource == "*" {
			subresourceOfAll[sub] = true
		}
	}
	if len(resources) > 1 && everything {
		errs = append(errs, field.Invalid(at, resources, "if '*/*' is present, must not specify other resources"))
	}
	if allResources && plainResource {
		errs = append(errs, field.Invalid(at, resources, "if '*' is present, must not specify other resources without subresources"))
	}
	return errs
}

func validateNamedRules(rules []admissionregistrationv1.NamedRuleWithOperations, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range rules {
		names := at.Index(i).Child("resourceNames")
		for j, name := range rules[i].ResourceNames {
			errs = append(errs, validate.Messages(names.Index(j), name, path.IsValidPathSegmentName(name))...)
			if slices.Contains(rules[i].ResourceNames[:j], name) {
				errs = append(errs, field.Duplicate(names.Index(j), name))
			}
		}
		errs = append(errs, validateRule(&rules[i].RuleWithOperations, at.Index(i))...)
	}
	return errs
}

// validateMatchResources checks which requests a policy or binding is about.
func validateMatchResources(m *admissionregistrationv1.MatchResources, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if m.MatchPolicy == nil {
		errs = append(errs, field.Required(at.Child("matchPolicy"), ""))
	} else {
		errs = append(errs, validate.OneOf(at.Child("matchPolicy"), *m.MatchPolicy, matchPolicies)...)
	}
	selector := func(s *metav1.LabelSelector, name string) {
		if s == nil {
			errs = append(errs, field.Required(at.Child(name), ""))
			return
		}
		errs = append(errs, metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at.Child(name))...)
	}
	selector(m.NamespaceSelector, "namespaceSelector")
	selector(m.ObjectSelector, "objectSelector")
	errs = append(errs, validateNamedRules(m.ResourceRules, at.Child("resourceRules"))...)
	return append(errs, validateNamedRules(m.ExcludeResourceRules, at.Child("excludeResourceRules"))...)
}

// validateMutable refuses to mutate what has no object; the path says nothing
// of which rule it is, as upstream's.
func validateMutable(m *admissionregistrationv1.MatchResources, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range m.ResourceRules {
		for _, op := range m.ResourceRules[i].Operations {
			errs = append(errs, validate.OneOf(at.Child("resourceRules", "operations"), op, mutableOperations)...)
		}
	}
	return errs
}
