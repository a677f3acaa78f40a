package podspec

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	taintEffects         = []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute}
	tolerationOperators  = []v1.TolerationOperator{v1.TolerationOpEqual, v1.TolerationOpExists}
	comparingOperators   = []v1.TolerationOperator{v1.TolerationOpEqual, v1.TolerationOpExists, v1.TolerationOpLt, v1.TolerationOpGt}
	unsatisfiableActions = []v1.UnsatisfiableConstraintAction{v1.DoNotSchedule, v1.ScheduleAnyway}
	inclusionPolicies    = []v1.NodeInclusionPolicy{v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore}
)

func (v *specValidator) validateAffinity(path *field.Path) field.ErrorList {
	a := v.spec.Affinity
	if a == nil {
		return nil
	}
	var errs field.ErrorList
	if a.NodeAffinity != nil {
		errs = append(errs, v.validateNodeAffinity(a.NodeAffinity, path.Child("nodeAffinity"))...)
	}
	if p := a.PodAffinity; p != nil {
		errs = append(errs, v.validatePodAffinity(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAffinity"))...)
	}
	if p := a.PodAntiAffinity; p != nil {
		errs = append(errs, v.validatePodAffinity(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAntiAffinity"))...)
	}
	return errs
}

func (v *specValidator) validateNodeAffinity(a *v1.NodeAffinity, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if a.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		errs = append(errs, validate.NodeSelector(a.RequiredDuringSchedulingIgnoredDuringExecution, v.AllowInvalidNodeAffinityValues, path.Child("requiredDuringSchedulingIgnoredDuringExecution"))...)
	}
	for i := range a.PreferredDuringSchedulingIgnoredDuringExecution {
		term := &a.PreferredDuringSchedulingIgnoredDuringExecution[i]
		p := path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i)
		errs = append(errs, validateWeight(term.Weight, p)...)
		errs = append(errs, validate.NodeSelectorTerm(&term.Preference, true, p.Child("preference"))...)
	}
	return errs
}

func validateWeight(weight int32, path *field.Path) field.ErrorList {
	if 1 <= weight && weight <= 100 {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("weight"), weight, "must be in the range 1-100")}
}

func (v *specValidator) validatePodAffinity(required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range required {
		errs = append(errs, v.validateAffinityTerm(&required[i], path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i))...)
	}
	for i := range preferred {
		p := path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i)
		errs = append(errs, validateWeight(preferred[i].Weight, p)...)
		errs = append(errs, v.validateAffinityTerm(&preferred[i].PodAffinityTerm, p.Child("podAffinityTerm"))...)
	}
	return errs
}

func (v *specValidator) validateAffinityTerm(t *v1.PodAffinityTerm, path *field.Path) field.ErrorList {
	o := metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: v.AllowInvalidSelectorValues}
	errs := metav1validation.ValidateLabelSelector(t.LabelSelector, o, path.Child("labelSelector"))
	errs = append(errs, metav1validation.ValidateLabelSelector(t.NamespaceSelector, o, path.Child("namespaceSelector"))...)
	for _, name := range t.Namespaces {
		errs = append(errs, validate.Messages(path.Child("namespace"), name, apivalidation.ValidateNamespaceName(name, false))...)
	}
	errs = append(errs, matchLabelKeys(path, t.MatchLabelKeys, t.MismatchLabelKeys, t.LabelSelector)...)
	if t.TopologyKey == "" {
		errs = append(errs, field.Required(path.Child("topologyKey"), "can not be empty"))
	}
	return append(errs, metav1validation.ValidateLabelName(t.TopologyKey, path.Child("topologyKey"))...)
}

// matchLabelKeys looks at the keys whose values the server has merged into the
// selector: none may be in the selector besides, nor in both lists.
func matchLabelKeys(path *field.Path, match, mismatch []string, selector *metav1.LabelSelector) field.ErrorList {
	if len(match)+len(mismatch) == 0 {
		return nil
	}
	errs := labelKeys(path.Child("matchLabelKeys"), match, selector)
	errs = append(errs, labelKeys(path.Child("mismatchLabelKeys"), mismatch, selector)...)
	if selector != nil {
		seen := sets.KeySet(selector.MatchLabels)
		for _, e := range selector.MatchExpressions {
			if i := lastIndex(match, e.Key); i >= 0 && seen.Has(e.Key) {
				errs = append(errs, field.Invalid(path.Index(i), e.Key, "exists in both matchLabelKeys and labelSelector"))
			}
			seen.Insert(e.Key)
		}
	}
	for i, key := range match {
		if slices.Contains(mismatch, key) {
			errs = append(errs, field.Invalid(path.Child("matchLabelKeys").Index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys"))
		}
	}
	return errs
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

func labelKeys(path *field.Path, keys []string, selector *metav1.LabelSelector) field.ErrorList {
	if len(keys) == 0 {
		return nil
	}
	if selector == nil {
		return field.ErrorList{field.Forbidden(path, "must not be specified when labelSelector is not set")}
	}
	var errs field.ErrorList
	for i, key := range keys {
		errs = append(errs, metav1validation.ValidateLabelName(key, path.Index(i))...)
	}
	return errs
}

// legacySpreadKeys is matchLabelKeys for keys that are not merged into the
// selector.
func legacySpreadKeys(path *field.Path, keys []string, selector *metav1.LabelSelector) field.ErrorList {
	if len(keys) == 0 {
		return nil
	}
	var errs field.ErrorList
	selected := sets.Set[string]{}
	if selector == nil {
		errs = append(errs, field.Forbidden(path, "must not be specified when labelSelector is not set"))
	} else {
		selected = sets.KeySet(selector.MatchLabels)
		for _, e := range selector.MatchExpressions {
			selected.Insert(e.Key)
		}
	}
	for i, key := range keys {
		errs = append(errs, metav1validation.ValidateLabelName(key, path.Index(i))...)
		if selected.Has(key) {
			errs = append(errs, field.Invalid(path.Index(i), key, "exists in both matchLabelKeys and labelSelector"))
		}
	}
	return errs
}

func (v *specValidator) validateSpreadConstraints(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	constraints := v.spec.TopologySpreadConstraints
	for i := range constraints {
		c, p := &constraints[i], path.Index(i)
		errs = append(errs, positive(c.MaxSkew, p.Child("maxSkew"))...)
		if c.TopologyKey == "" {
			errs = append(errs, field.Required(p.Child("topologyKey"), "can not be empty"))
		}
		errs = append(errs, validate.OneOf(p.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, unsatisfiableActions)...)
		for j := i + 1; j < len(constraints); j++ {
			if o := &constraints[j]; c.TopologyKey == o.TopologyKey && c.WhenUnsatisfiable == o.WhenUnsatisfiable {
				errs = append(errs, field.Duplicate(p.Child("{topologyKey, whenUnsatisfiable}"), fmt.Sprintf("{%v, %v}", c.TopologyKey, c.WhenUnsatisfiable)))
				break
			}
		}
		if c.MinDomains != nil {
			at := p.Child("minDomains")
			errs = append(errs, positive(*c.MinDomains, at)...)
			if c.WhenUnsatisfiable != v1.DoNotSchedule {
				errs = append(errs, field.Invalid(at, c.MinDomains, fmt.Sprintf("can only use minDomains if whenUnsatisfiable=%s, not %s", v1.DoNotSchedule, c.WhenUnsatisfiable)))
			}
		}
		if c.NodeAffinityPolicy != nil {
			errs = append(errs, validate.OneOf(p.Child("nodeAffinityPolicy"), *c.NodeAffinityPolicy, inclusionPolicies)...)
		}
		if c.NodeTaintsPolicy != nil {
			errs = append(errs, validate.OneOf(p.Child("nodeTaintsPolicy"), *c.NodeTaintsPolicy, inclusionPolicies)...)
		}
		if v.LegacySpreadKeys {
			errs = append(errs, legacySpreadKeys(p.Child("matchLabelKeys"), c.MatchLabelKeys, c.LabelSelector)...)
		} else {
			errs = append(errs, matchLabelKeys(p, c.MatchLabelKeys, nil, c.LabelSelector)...)
		}
		if !v.AllowInvalidSpreadSelectors {
			errs = append(errs, metav1validation.ValidateLabelSelector(c.LabelSelector, metav1validation.LabelSelectorValidationOptions{}, p.Child("labelSelector"))...)
		}
	}
	return errs
}

func positive(n int32, path *field.Path) field.ErrorList {
	if n > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, int64(n), "must be greater than zero")}
}

func validateTolerations(tolerations []v1.Toleration, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range tolerations {
		t, p := &tolerations[i], path.Index(i)
		if t.Key != "" {
			errs = append(errs, metav1validation.ValidateLabelName(t.Key, p.Child("key"))...)
		} else if t.Operator != v1.TolerationOpExists {
			errs = append(errs, field.Invalid(p.Child("operator"), t.Operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
		}
		if t.TolerationSeconds != nil && t.Effect != v1.TaintEffectNoExecute {
			errs = append(errs, field.Invalid(p.Child("effect"), t.Effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
		}
		errs = append(errs, validateTolerationValue(t, p)...)
		if t.Effect != "" {
			errs = append(errs, validate.OneOf(p.Child("effect"), t.Effect, taintEffects)...)
		}
	}
	return errs
}

func validateTolerationValue(t *v1.Toleration, path *field.Path) field.ErrorList {
	operator := path.Child("operator")
	switch t.Operator {
	case v1.TolerationOpEqual, "":
		if faults := validation.IsValidLabelValue(t.Value); len(faults) > 0 {
			return field.ErrorList{field.Invalid(operator, t.Value, strings.Join(faults, ";"))}
		}
		return nil
	case v1.TolerationOpExists:
		if t.Value != "" {
			return field.ErrorList{field.Invalid(operator, t.Value, "value must be empty when `operator` is 'Exists'")}
		}
		return nil
	case v1.TolerationOpLt, v1.TolerationOpGt:
		// Kubernetes knows them behind a feature gate that is off.
		return field.ErrorList{field.NotSupported(operator, t.Operator, comparingOperators)}
	}
	return field.ErrorList{field.NotSupported(operator, t.Operator, tolerationOperators)}
}
