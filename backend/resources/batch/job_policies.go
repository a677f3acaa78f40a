package batch

import (
	"fmt"
	"strconv"
	"strings"

	"pilothouse/backend/resources/validate"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxFailureRules       = 20
	maxConditionPatterns  = 20
	maxExitCodes          = 255
	maxSuccessRules       = 20
	maxSucceededIndexSize = 64 * 1024
)

var (
	failureActions     = []batchv1.PodFailurePolicyAction{batchv1.PodFailurePolicyActionCount, batchv1.PodFailurePolicyActionFailIndex, batchv1.PodFailurePolicyActionFailJob, batchv1.PodFailurePolicyActionIgnore}
	exitCodeOperators  = []batchv1.PodFailurePolicyOnExitCodesOperator{batchv1.PodFailurePolicyOnExitCodesOpIn, batchv1.PodFailurePolicyOnExitCodesOpNotIn}
	conditionsStatuses = []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown}
)

// requiredOf is a missing value of a field that has few.
func requiredOf[T ~string](path *field.Path, values []T) *field.Error {
	return field.Required(path, fmt.Sprintf("valid values: %q", values))
}

// validateFailurePolicy looks at what a job does about pods that fail.
func validateFailurePolicy(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	rules := path.Child("rules")
	if n := len(s.PodFailurePolicy.Rules); n > maxFailureRules {
		errs = append(errs, field.TooMany(rules, n, maxFailureRules))
	}
	containers := sets.Set[string]{}
	for _, list := range [][]corev1.Container{s.Template.Spec.Containers, s.Template.Spec.InitContainers} {
		for i := range list {
			containers.Insert(list[i].Name)
		}
	}
	for i := range s.PodFailurePolicy.Rules {
		errs = append(errs, validateFailureRule(s, &s.PodFailurePolicy.Rules[i], containers, rules.Index(i))...)
	}
	return errs
}

func validateFailureRule(s *batchv1.JobSpec, r *batchv1.PodFailurePolicyRule, containers sets.Set[string], path *field.Path) field.ErrorList {
	var errs field.ErrorList
	action := path.Child("action")
	switch {
	case r.Action == "":
		errs = append(errs, requiredOf(action, failureActions))
	case r.Action != batchv1.PodFailurePolicyActionFailIndex:
		errs = append(errs, validate.OneOf(action, r.Action, failureActions)...)
	case s.BackoffLimitPerIndex == nil:
		errs = append(errs, field.Invalid(action, r.Action, "requires the backoffLimitPerIndex to be set"))
	}
	if r.OnExitCodes != nil {
		errs = append(errs, validateExitCodes(r.OnExitCodes, containers, path.Child("onExitCodes"))...)
	}
	if len(r.OnPodConditions) > 0 {
		errs = append(errs, validateConditionPatterns(r.OnPodConditions, path.Child("onPodConditions"))...)
	}
	switch {
	case r.OnExitCodes != nil && len(r.OnPodConditions) > 0:
		errs = append(errs, field.Invalid(path, field.OmitValueType{}, "specifying both OnExitCodes and OnPodConditions is not supported"))
	case r.OnExitCodes == nil && len(r.OnPodConditions) == 0:
		errs = append(errs, field.Invalid(path, field.OmitValueType{}, "specifying one of OnExitCodes and OnPodConditions is required"))
	}
	return errs
}

func validateConditionPatterns(patterns []batchv1.PodFailurePolicyOnPodConditionsPattern, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := len(patterns); n > maxConditionPatterns {
		errs = append(errs, field.TooMany(path, n, maxConditionPatterns))
	}
	for i, p := range patterns {
		errs = append(errs, validate.QualifiedName(string(p.Type), path.Index(i).Child("type"))...)
		status := path.Index(i).Child("status")
		if p.Status == "" {
			errs = append(errs, requiredOf(status, conditionsStatuses))
		} else {
			errs = append(errs, validate.OneOf(status, p.Status, conditionsStatuses)...)
		}
	}
	return errs
}

func validateExitCodes(r *batchv1.PodFailurePolicyOnExitCodesRequirement, containers sets.Set[string], path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r.Operator == "" {
		errs = append(errs, requiredOf(path.Child("operator"), exitCodeOperators))
	} else {
		errs = append(errs, validate.OneOf(path.Child("operator"), r.Operator, exitCodeOperators)...)
	}
	if r.ContainerName != nil && !containers.Has(*r.ContainerName) {
		errs = append(errs, field.Invalid(path.Child("containerName"), *r.ContainerName, "must be one of the container or initContainer names in the pod template"))
	}
	values := path.Child("values")
	switch n := len(r.Values); {
	case n == 0:
		errs = append(errs, field.Invalid(values, r.Values, "at least one value is required"))
	case n > maxExitCodes:
		errs = append(errs, field.TooMany(values, n, maxExitCodes))
	}
	ordered, seen := true, sets.Set[int32]{}
	for i, code := range r.Values {
		if code == 0 && r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn {
			errs = append(errs, field.Invalid(values.Index(i), code, "must not be 0 for the In operator"))
		}
		if seen.Has(code) {
			errs = append(errs, field.Duplicate(values.Index(i), code))
		}
		seen.Insert(code)
		ordered = ordered && (i == 0 || r.Values[i-1] <= code)
	}
	if !ordered {
		errs = append(errs, field.Invalid(values, r.Values, "must be ordered"))
	}
	return errs
}

// validateSuccessPolicy looks at when an indexed job has succeeded before all
// of its indexes have.
func validateSuccessPolicy(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	if !indexed(s) {
		return field.ErrorList{field.Invalid(path, validate.Internal(*s.SuccessPolicy), "requires indexed completion mode")}
	}
	var errs field.ErrorList
	rules := path.Child("rules")
	switch n := len(s.SuccessPolicy.Rules); {
	case n == 0:
		errs = append(errs, field.Required(rules, "at least one rules must be specified when the successPolicy is specified"))
	case n > maxSuccessRules:
		errs = append(errs, field.TooMany(rules, n, maxSuccessRules))
	}
	for i := range s.SuccessPolicy.Rules {
		errs = append(errs, validateSuccessRule(&s.SuccessPolicy.Rules[i], deref(s.Completions), rules.Index(i))...)
	}
	return errs
}

func validateSuccessRule(r *batchv1.SuccessPolicyRule, completions int32, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r.SucceededIndexes == nil && r.SucceededCount == nil {
		errs = append(errs, field.Required(path, "at least one of succeededCount or succeededIndexes must be specified"))
	}
	total := completions
	if r.SucceededIndexes != nil {
		at := path.Child("succeededIndexes")
		if len(*r.SucceededIndexes) > maxSucceededIndexSize {
			errs = append(errs, field.TooLong(at, "", maxSucceededIndexSize))
		}
		var err error
		if total, err = countIndexes(*r.SucceededIndexes, completions); err != nil {
			errs = append(errs, field.Invalid(at, *r.SucceededIndexes, "error parsing succeededIndexes: "+err.Error()))
		}
	}
	if n := r.SucceededCount; n != nil {
		at := path.Child("succeededCount")
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*n), at)...)
		if *n > completions {
			errs = append(errs, field.Invalid(at, *n, fmt.Sprintf("must be less than or equal to %d (the number of specified completions)", completions)))
		}
		if r.SucceededIndexes != nil && *n > total {
			errs = append(errs, field.Invalid(at, *n, fmt.Sprintf("must be less than or equal to %d (the number of indexes in the specified succeededIndexes field)", total)))
		}
	}
	return errs
}

// interval is a run of indexes, both ends included.
type interval struct{ first, last int32 }

// parseIndexes reads a list of indexes and of intervals of them in growing
// order, "1,3-5,7", which all are below completions.
func parseIndexes(s string, completions int32) ([]interval, error) {
	if s == "" {
		return nil, nil
	}
	var out []interval
	for part := range strings.SplitSeq(s, ",") {
		i, err := parseInterval(part, completions)
		if err != nil {
			return nil, err
		}
		if n := len(out); n > 0 && out[n-1].last >= i.first {
			return nil, fmt.Errorf("non-increasing order, previous: %d, current: %d", out[n-1].last, i.first)
		}
		out = append(out, i)
	}
	return out, nil
}

func parseInterval(s string, completions int32) (interval, error) {
	ends := strings.Split(s, "-")
	if len(ends) > 2 {
		return interval{}, fmt.Errorf("the fragment %q violates the requirement that an index interval can have at most two parts separated by '-'", s)
	}
	var numbers [2]int32
	for i, end := range ends {
		n, err := strconv.Atoi(end)
		if err != nil {
			return interval{}, fmt.Errorf("cannot convert string to integer for index: %q", end)
		}
		if n >= int(completions) {
			return interval{}, fmt.Errorf("too large index: %q", end)
		}
		numbers[i] = int32(n)
	}
	if len(ends) == 1 {
		return interval{numbers[0], numbers[0]}, nil
	}
	if numbers[0] >= numbers[1] {
		return interval{}, fmt.Errorf("non-increasing order, previous: %d, current: %d", numbers[0], numbers[1])
	}
	return interval{numbers[0], numbers[1]}, nil
}

// countIndexes gives how many indexes a list has.
func countIndexes(s string, completions int32) (int32, error) {
	intervals, err := parseIndexes(s, completions)
	total := int32(0)
	for _, i := range intervals {
		total += i.last - i.first + 1
	}
	return total, err
}

// overlap refuses indexes that are in both lists. What cannot be read is left
// out: that is another error.
func overlap(completed, failed string, completions int32) error {
	c, f := readable(completed, completions), readable(failed, completions)
	for len(c) > 0 && len(f) > 0 {
		switch {
		case c[0].first <= f[0].last && f[0].first <= c[0].last:
			return fmt.Errorf("failedIndexes and completedIndexes overlap at index: %d", max(c[0].first, f[0].first))
		case c[0].first < f[0].first:
			c = c[1:]
		default:
			f = f[1:]
		}
	}
	return nil
}

// readable gives those intervals of a list that can be read.
func readable(s string, completions int32) (out []interval) {
	if s == "" {
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		if i, err := parseInterval(part, completions); err == nil {
			out = append(out, i)
		}
	}
	return out
}
