package flowcontrol

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxPrecedence is the largest matching precedence: the last to be looked at.
const maxPrecedence = 10000

// Supported values, sorted as errors list them.
var (
	verbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"}

	distinguisherMethods = []flowcontrolv1.FlowDistinguisherMethodType{
		flowcontrolv1.FlowDistinguisherMethodByNamespaceType, flowcontrolv1.FlowDistinguisherMethodByUserType,
	}
	subjectKinds = []flowcontrolv1.SubjectKind{
		flowcontrolv1.SubjectKindGroup, flowcontrolv1.SubjectKindServiceAccount, flowcontrolv1.SubjectKindUser,
	}
)

func validateFlowSchema(s *flowcontrolv1.FlowSchema) field.ErrorList {
	at := field.NewPath("spec")
	errs := validateSchemaSpec(s.Name, &s.Spec, at)
	if fixed, mandatory := mandatorySchemas[s.Name]; mandatory && !equality.Semantic.DeepEqual(s.Spec, fixed) {
		errs = append(errs, field.Invalid(at, validate.Internal(s.Spec), fmt.Sprintf("spec of '%s' must equal the fixed value", s.Name)))
	}
	return append(errs, validateSchemaConditions(s.Status.Conditions)...)
}

func validateSchemaSpec(name string, s *flowcontrolv1.FlowSchemaSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	precedence := at.Child("matchingPrecedence")
	if s.MatchingPrecedence <= 0 {
		errs = append(errs, field.Invalid(precedence, s.MatchingPrecedence, "must be a positive value"))
	}
	if s.MatchingPrecedence > maxPrecedence {
		errs = append(errs, field.Invalid(precedence, s.MatchingPrecedence, fmt.Sprintf("must not be greater than %v", maxPrecedence)))
	}
	if s.MatchingPrecedence == 1 && name != flowcontrolv1.FlowSchemaNameExempt {
		errs = append(errs, field.Invalid(precedence, s.MatchingPrecedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
	}
	if m := s.DistinguisherMethod; m != nil && !slices.Contains(distinguisherMethods, m.Type) {
		errs = append(errs, field.NotSupported(at.Child("distinguisherMethod", "type"), validate.Internal(m), distinguisherMethods))
	}
	level := at.Child("priorityLevelConfiguration", "name")
	if ref := s.PriorityLevelConfiguration.Name; ref == "" {
		errs = append(errs, field.Required(level, "must reference a priority level"))
	} else {
		errs = append(errs, validate.Messages(level, ref, apivalidation.NameIsDNSSubdomain(ref, false))...)
	}
	for i := range s.Rules {
		errs = append(errs, validateRules(&s.Rules[i], at.Child("rules").Index(i))...)
	}
	return errs
}

func validateRules(r *flowcontrolv1.PolicyRulesWithSubjects, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(r.Subjects) == 0 {
		errs = append(errs, field.Required(at.Child("subjects"), "subjects must contain at least one value"))
	}
	for i := range r.Subjects {
		errs = append(errs, validateSubject(&r.Subjects[i], at.Child("subjects").Index(i))...)
	}
	if len(r.ResourceRules) == 0 && len(r.NonResourceRules) == 0 {
		errs = append(errs, field.Required(at, "at least one of resourceRules and nonResourceRules has to be non-empty"))
	}
	for i := range r.ResourceRules {
		errs = append(errs, validateResourceRule(&r.ResourceRules[i], at.Child("resourceRules").Index(i))...)
	}
	for i := range r.NonResourceRules {
		errs = append(errs, validateNonResourceRule(&r.NonResourceRules[i], at.Child("nonResourceRules").Index(i))...)
	}
	return errs
}

// validateSubject wants the one field that the kind names.
func validateSubject(s *flowcontrolv1.Subject, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	forbid := func(there bool, name, kind string) {
		if there && string(s.Kind) != kind {
			errs = append(errs, field.Forbidden(at.Child(name), fmt.Sprintf("%s is forbidden when subject kind is not '%s'", name, kind)))
		}
	}
	switch s.Kind {
	case flowcontrolv1.SubjectKindServiceAccount:
		errs = validateServiceAccount(s.ServiceAccount, at.Child("serviceAccount"))
		forbid(s.User != nil, "user", "User")
		forbid(s.Group != nil, "group", "Group")
	case flowcontrolv1.SubjectKindUser:
		if s.User == nil {
			errs = append(errs, field.Required(at.Child("user"), "user is required when subject kind is 'User'"))
		} else if s.User.Name == "" {
			errs = append(errs, field.Required(at.Child("user", "name"), ""))
		}
		forbid(s.ServiceAccount != nil, "serviceAccount", "ServiceAccount")
		forbid(s.Group != nil, "group", "Group")
	case flowcontrolv1.SubjectKindGroup:
		if s.Group == nil {
			errs = append(errs, field.Required(at.Child("group"), "group is required when subject kind is 'Group'"))
		} else if s.Group.Name == "" {
			errs = append(errs, field.Required(at.Child("group", "name"), ""))
		}
		forbid(s.ServiceAccount != nil, "serviceAccount", "ServiceAccount")
		forbid(s.User != nil, "user", "User")
	default:
		errs = append(errs, field.NotSupported(at.Child("kind"), s.Kind, subjectKinds))
	}
	return errs
}

func validateServiceAccount(s *flowcontrolv1.ServiceAccountSubject, at *field.Path) field.ErrorList {
	if s == nil {
		return field.ErrorList{field.Required(at, "serviceAccount is required when subject kind is 'ServiceAccount'")}
	}
	var errs field.ErrorList
	switch s.Name {
	case "":
		errs = append(errs, field.Required(at.Child("name"), ""))
	case flowcontrolv1.NameAll:
	default:
		errs = append(errs, validate.Messages(at.Child("name"), s.Name, apivalidation.ValidateServiceAccountName(s.Name, false))...)
	}
	if s.Namespace == "" {
		return append(errs, field.Required(at.Child("namespace"), "must specify namespace for service account"))
	}
	return append(errs, validate.Messages(at.Child("namespace"), s.Namespace, apivalidation.ValidateNamespaceName(s.Namespace, false))...)
}

func validateResourceRule(r *flowcontrolv1.ResourcePolicyRule, at *field.Path) field.ErrorList {
	errs := validateVerbs(r.Verbs, at.Child("verbs"))
	errs = append(errs, validateNames(r.APIGroups, "api group", at.Child("apiGroups"))...)
	errs = append(errs, validateNames(r.Resources, "resource", at.Child("resources"))...)
	namespaces := at.Child("namespaces")
	switch {
	case len(r.Namespaces) == 0 && !r.ClusterScope:
		errs = append(errs, field.Required(namespaces, "resource rules that are not cluster scoped must supply at least one namespace"))
	case slices.Contains(r.Namespaces, "*"):
		if len(r.Namespaces) > 1 {
			errs = append(errs, field.Invalid(namespaces, r.Namespaces, "if '*' is present, must not specify other namespaces"))
		}
	default:
		for i, ns := range r.Namespaces {
			for _, m := range apivalidation.ValidateNamespaceName(ns, false) {
				errs = append(errs, field.Invalid(namespaces.Index(i), ns, "each member of this list must be '*' or a DNS-1123 label; "+m))
			}
		}
	}
	return errs
}

// validateNames wants at least one, and nothing beside a "*".
func validateNames(names []string, what string, at *field.Path) field.ErrorList {
	if len(names) == 0 {
		return field.ErrorList{field.Required(at, "resource rules must supply at least one "+what)}
	}
	if len(names) > 1 && slices.Contains(names, "*") {
		return field.ErrorList{field.Invalid(at, names, "if '*' is present, must not specify other "+what+"s")}
	}
	return nil
}

func validateVerbs(given []string, at *field.Path) field.ErrorList {
	switch {
	case len(given) == 0:
		return field.ErrorList{field.Required(at, "verbs must contain at least one value")}
	case slices.Contains(given, "*"):
		if len(given) > 1 {
			return field.ErrorList{field.Invalid(at, given, "if '*' is present, must not specify other verbs")}
		}
	case slices.ContainsFunc(given, func(v string) bool { return !slices.Contains(verbs, v) }):
		return field.ErrorList{field.NotSupported(at, given, verbs)}
	}
	return nil
}

func validateNonResourceRule(r *flowcontrolv1.NonResourcePolicyRule, at *field.Path) field.ErrorList {
	errs := validateVerbs(r.Verbs, at.Child("verbs"))
	urls := at.Child("nonResourceURLs")
	switch {
	case len(r.NonResourceURLs) == 0:
		errs = append(errs, field.Required(urls, "nonResourceURLs must contain at least one value"))
	case slices.Contains(r.NonResourceURLs, "*"):
		if len(r.NonResourceURLs) > 1 {
			errs = append(errs, field.Invalid(urls, r.NonResourceURLs, "if '*' is present, must not specify other non-resource URLs"))
		}
	default:
		for i, url := range r.NonResourceURLs {
			if problem := problemOfURL(url); problem != "" {
				errs = append(errs, field.Invalid(urls.Index(i), url, problem))
			}
		}
	}
	return errs
}

// problemOfURL tells the first thing wrong with the path of a rule, which may
// end in "/*".
func problemOfURL(url string) string {
	stars := strings.Count(url, "*")
	switch {
	case url == "":
		return "must not be empty"
	case url == "/":
		return ""
	case !strings.HasPrefix(url, "/"):
		return "must start with slash"
	case strings.Contains(url, " "):
		return "must not contain white-space"
	case strings.Contains(url, "//"):
		return "must not contain double slash"
	case stars > 1 || (stars == 1 && !strings.HasSuffix(url, "/*")):
		return "wildcard can only do suffix matching"
	}
	return ""
}

func validateSchemaConditions(conditions []flowcontrolv1.FlowSchemaCondition) field.ErrorList {
	return validateConditionTypes(len(conditions), func(i int) string { return string(conditions[i].Type) })
}

// validateConditionTypes wants every condition to have a type of its own.
func validateConditionTypes(n int, typeOf func(i int) string) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range n {
		at := field.NewPath("status", "conditions").Index(i).Child("type")
		if seen[typeOf(i)] {
			errs = append(errs, field.Duplicate(at, typeOf(i)))
		}
		seen[typeOf(i)] = true
		if typeOf(i) == "" {
			errs = append(errs, field.Required(at, ""))
		}
	}
	return errs
}
