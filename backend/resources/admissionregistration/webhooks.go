package admissionregistration

import (
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// webhook is what validating and mutating webhooks have in common.
type webhook struct {
	name                              string
	client                            admissionregistrationv1.WebhookClientConfig
	rules                             []admissionregistrationv1.RuleWithOperations
	failurePolicy                     *admissionregistrationv1.FailurePolicyType
	matchPolicy                       *admissionregistrationv1.MatchPolicyType
	namespaceSelector, objectSelector *metav1.LabelSelector
	sideEffects                       *admissionregistrationv1.SideEffectClass
	timeoutSeconds                    *int32
	reviewVersions                    []string
	reinvocationPolicy                *admissionregistrationv1.ReinvocationPolicyType
	matchConditions                   []admissionregistrationv1.MatchCondition
}

// Supported values, sorted as errors list them.
var (
	reviewVersions  = []string{"v1", "v1beta1"}
	allSideEffects  = []admissionregistrationv1.SideEffectClass{admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.SideEffectClassNoneOnDryRun, admissionregistrationv1.SideEffectClassSome, admissionregistrationv1.SideEffectClassUnknown}
	noSideEffects   = allSideEffects[:2]
	reinvocations   = []admissionregistrationv1.ReinvocationPolicyType{admissionregistrationv1.IfNeededReinvocationPolicy, admissionregistrationv1.NeverReinvocationPolicy}
	strictSelectors = metav1validation.LabelSelectorValidationOptions{}
)

// webhookRules are what webhooks must meet; an update is let off what the old
// object does not meet either.
type webhookRules struct {
	sideEffects      []admissionregistrationv1.SideEffectClass
	knownVersion     bool
	uniqueNames      bool
	selectors        metav1validation.LabelSelectorValidationOptions
	ignoreConditions bool
	old              known
}

// rulesFor gives the rules for hooks that replace old, which is nil for a new
// object.
func rulesFor(hooks, old []webhook, isNew bool) webhookRules {
	rules := webhookRules{sideEffects: noSideEffects, knownVersion: true, uniqueNames: true, old: known{}}
	if isNew {
		return rules
	}
	names := map[string]bool{}
	for _, h := range old {
		if h.sideEffects == nil || !slices.Contains(noSideEffects, *h.sideEffects) {
			rules.sideEffects = allSideEffects
		}
		if len(h.reviewVersions) > 0 && !hasKnownVersion(h.reviewVersions) {
			rules.knownVersion = false
		}
		if names[h.name] {
			rules.uniqueNames = false
		}
		names[h.name] = true
		for _, s := range []*metav1.LabelSelector{h.namespaceSelector, h.objectSelector} {
			if s != nil && len(metav1validation.ValidateLabelSelector(s, strictSelectors, nil)) > 0 {
				rules.selectors.AllowInvalidLabelValueInSelector = true
			}
		}
		rules.old.add(h.matchConditions)
	}
	rules.ignoreConditions = slices.EqualFunc(hooks, old, func(a, b webhook) bool {
		return equality.Semantic.DeepEqual(a.matchConditions, b.matchConditions)
	})
	return rules
}

func hasKnownVersion(versions []string) bool {
	return slices.ContainsFunc(versions, func(v string) bool { return slices.Contains(reviewVersions, v) })
}

func validateWebhooks(hooks []webhook, rules webhookRules) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range hooks {
		h, at := &hooks[i], field.NewPath("webhooks").Index(i)
		errs = append(errs, validateWebhook(h, rules, at)...)
		errs = append(errs, validateReviewVersions(h.reviewVersions, rules.knownVersion, at.Child("admissionReviewVersions"))...)
		if rules.uniqueNames && h.name != "" && names[h.name] {
			errs = append(errs, field.Duplicate(at.Child("name"), h.name))
		}
		names[h.name] = true
	}
	return errs
}

func validateWebhook(h *webhook, rules webhookRules, at *field.Path) field.ErrorList {
	errs := validation.IsFullyQualifiedName(at.Child("name"), h.name)
	for i := range h.rules {
		errs = append(errs, validateRule(&h.rules[i], at.Child("rules").Index(i))...)
	}
	if h.failurePolicy != nil {
		errs = append(errs, validate.OneOf(at.Child("failurePolicy"), *h.failurePolicy, failurePolicies)...)
	}
	if h.matchPolicy != nil {
		errs = append(errs, validate.OneOf(at.Child("matchPolicy"), *h.matchPolicy, matchPolicies)...)
	}
	if h.sideEffects == nil {
		errs = append(errs, field.Required(at.Child("sideEffects"), "must specify one of "+join(rules.sideEffects)))
	} else {
		errs = append(errs, validate.OneOf(at.Child("sideEffects"), *h.sideEffects, rules.sideEffects)...)
	}
	if n := h.timeoutSeconds; n != nil && (*n > 30 || *n < 1) {
		errs = append(errs, field.Invalid(at.Child("timeoutSeconds"), *n, "the timeout value must be between 1 and 30 seconds"))
	}
	if h.namespaceSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(h.namespaceSelector, rules.selectors, at.Child("namespaceSelector"))...)
	}
	if h.objectSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(h.objectSelector, rules.selectors, at.Child("objectSelector"))...)
	}
	if h.reinvocationPolicy != nil {
		errs = append(errs, validate.OneOf(at.Child("reinvocationPolicy"), *h.reinvocationPolicy, reinvocations)...)
	}
	errs = append(errs, validateClient(&h.client, at.Child("clientConfig"))...)
	if !rules.ignoreConditions {
		errs = append(errs, validateMatchConditions(h.matchConditions, false, rules.old, at.Child("matchConditions"))...)
	}
	return errs
}

func join(classes []admissionregistrationv1.SideEffectClass) string {
	names := make([]string, 0, len(classes))
	for _, c := range classes {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

func validateClient(c *admissionregistrationv1.WebhookClientConfig, at *field.Path) field.ErrorList {
	switch {
	case (c.URL == nil) == (c.Service == nil):
		return field.ErrorList{field.Required(at, "exactly one of url or service is required")}
	case c.URL != nil:
		return validate.WebhookURL(at.Child("url"), *c.URL)
	}
	port := int32(0)
	if c.Service.Port != nil {
		port = *c.Service.Port
	}
	return validate.WebhookService(at.Child("service"), c.Service.Name, c.Service.Namespace, c.Service.Path, port)
}

// validateReviewVersions wants at least one version of AdmissionReview that this
// server speaks.
func validateReviewVersions(versions []string, requireKnown bool, at *field.Path) field.ErrorList {
	if len(versions) == 0 {
		return field.ErrorList{field.Required(at, "must specify one of "+strings.Join(reviewVersions, ", "))}
	}
	var errs field.ErrorList
	for i, v := range versions {
		if slices.Contains(versions[:i], v) {
			errs = append(errs, field.Invalid(at.Index(i), v, "duplicate version"))
			continue
		}
		errs = append(errs, validate.Messages(at.Index(i), v, validation.IsDNS1035Label(v))...)
	}
	if requireKnown && !hasKnownVersion(versions) {
		errs = append(errs, field.Invalid(at, versions, "must include at least one of "+strings.Join(reviewVersions, ", ")))
	}
	return errs
}
