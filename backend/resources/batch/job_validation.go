package batch

import (
	"fmt"

	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/validate"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxIndexedParallelism = 100_000
	maxFailedIndexes      = 100_000
	maxManagedByLength    = 63
)

var (
	completionModes     = []batchv1.CompletionMode{batchv1.NonIndexedCompletion, batchv1.IndexedCompletion}
	replacementPolicies = []batchv1.PodReplacementPolicy{batchv1.Failed, batchv1.TerminatingOrFailed}
	jobRestartPolicies  = []corev1.RestartPolicy{corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}
)

// validateJobCreate gives what is wrong with a new job besides its metadata.
func validateJobCreate(j *batchv1.Job, o podspec.Options) field.ErrorList {
	errs := validateGeneratedSelector(j)
	errs = append(errs, validateJobWithSelector(&j.Spec, field.NewPath("spec"), o)...)
	if n := deref(j.Spec.Completions); indexed(&j.Spec) && n > 0 {
		// The last pod's host name is the longest.
		last := fmt.Sprintf("%s-%d", j.Name, n-1)
		if len(validation.IsDNS1123Label(last)) > 0 {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), j.Name, "will not able to create pod with invalid DNS label: "+last))
		}
	}
	return errs
}

// validateGeneratedSelector wants the labels and the selector of a job that
// does not look after them itself to be the generated ones.
func validateGeneratedSelector(j *batchv1.Job) field.ErrorList {
	if manual(j) || j.Spec.Selector == nil {
		return nil
	}
	var errs field.ErrorList
	if j.UID == "" {
		errs = append(errs, field.Required(field.NewPath("metadata", "uid"), ""))
	}
	expected := generatedLabels(j)
	path := field.NewPath("spec", "template", "metadata", "labels")
	have := j.Spec.Template.Labels
	for _, key := range []string{legacyControllerUIDLabel, legacyJobNameLabel, batchv1.ControllerUidLabel, batchv1.JobNameLabel} {
		switch value, there := have[key]; {
		case !there:
			errs = append(errs, field.Required(path.Key(key), fmt.Sprintf("must be '%s'", expected[key])))
		case value != expected[key]:
			errs = append(errs, field.Invalid(path.Key(key), have, fmt.Sprintf("must be '%s'", expected[key])))
		}
	}
	if selector, err := metav1.LabelSelectorAsSelector(j.Spec.Selector); err == nil && !selector.Matches(labels.Set(expected)) {
		errs = append(errs, field.Invalid(field.NewPath("spec", "selector"), j.Spec.Selector, "`selector` not auto-generated"))
	}
	return errs
}

func validateJobWithSelector(s *batchv1.JobSpec, path *field.Path, o podspec.Options) field.ErrorList {
	errs := validateJobSpec(s, path, o)
	if s.Selector == nil {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	} else {
		errs = append(errs, metav1validation.ValidateLabelSelector(s.Selector, metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: o.AllowInvalidSelectorValues}, path.Child("selector"))...)
	}
	if selector, err := metav1.LabelSelectorAsSelector(s.Selector); err == nil && !selector.Matches(labels.Set(s.Template.Labels)) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), s.Template.Labels, "`selector` does not match template `labels`"))
	}
	return errs
}

// validateJobSpec is what jobs and the templates of cron jobs have in common.
func validateJobSpec(s *batchv1.JobSpec, path *field.Path, o podspec.Options) field.ErrorList {
	var errs field.ErrorList
	nonnegative := func(name string, n *int32) {
		if n != nil {
			errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*n), path.Child(name))...)
		}
	}
	nonnegative("parallelism", s.Parallelism)
	nonnegative("completions", s.Completions)
	if s.ActiveDeadlineSeconds != nil {
		errs = append(errs, apivalidation.ValidateNonnegativeField(*s.ActiveDeadlineSeconds, path.Child("activeDeadlineSeconds"))...)
	}
	nonnegative("backoffLimit", s.BackoffLimit)
	nonnegative("ttlSecondsAfterFinished", s.TTLSecondsAfterFinished)
	nonnegative("backoffLimitPerIndex", s.BackoffLimitPerIndex)
	if s.MaxFailedIndexes != nil {
		nonnegative("maxFailedIndexes", s.MaxFailedIndexes)
		if s.BackoffLimitPerIndex == nil {
			errs = append(errs, field.Required(path.Child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
		}
	}
	if m := s.ManagedBy; m != nil {
		errs = append(errs, validation.IsDomainPrefixedPath(path.Child("managedBy"), *m)...)
		if len(*m) > maxManagedByLength {
			errs = append(errs, field.TooLong(path.Child("managedBy"), "", maxManagedByLength))
		}
	}
	if s.CompletionMode != nil {
		errs = append(errs, validate.OneOf(path.Child("completionMode"), *s.CompletionMode, completionModes)...)
	}
	errs = append(errs, validateIndexing(s, path)...)
	if s.PodFailurePolicy != nil {
		errs = append(errs, validateFailurePolicy(s, path.Child("podFailurePolicy"))...)
	}
	if s.SuccessPolicy != nil {
		errs = append(errs, validateSuccessPolicy(s, path.Child("successPolicy"))...)
	}
	if p := s.PodReplacementPolicy; p != nil {
		policies := replacementPolicies
		if s.PodFailurePolicy != nil {
			policies = policies[:1]
		}
		errs = append(errs, validate.OneOf(path.Child("podReplacementPolicy"), *p, policies)...)
	}
	errs = append(errs, podspec.ValidateTemplate(&s.Template, path.Child("template"), o)...)
	return append(errs, validateJobRestartPolicy(s, path.Child("template", "spec", "restartPolicy"))...)
}

// validateIndexing looks at what only indexed jobs can have, and at how much of
// it they can.
func validateIndexing(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	invalid := func(name string, n *int32, format string, args ...any) {
		errs = append(errs, field.Invalid(path.Child(name), *n, fmt.Sprintf(format, args...)))
	}
	if !indexed(s) {
		if s.CompletionMode != nil && *s.CompletionMode != batchv1.NonIndexedCompletion {
			return nil
		}
		if s.BackoffLimitPerIndex != nil {
			invalid("backoffLimitPerIndex", s.BackoffLimitPerIndex, "requires indexed completion mode")
		}
		if s.MaxFailedIndexes != nil {
			invalid("maxFailedIndexes", s.MaxFailedIndexes, "requires indexed completion mode")
		}
		return errs
	}
	if s.Completions == nil {
		errs = append(errs, field.Required(path.Child("completions"), fmt.Sprintf("when completion mode is %s", batchv1.IndexedCompletion)))
	}
	if deref(s.Parallelism) > maxIndexedParallelism {
		invalid("parallelism", s.Parallelism, "must be less than or equal to %d when completion mode is %s", maxIndexedParallelism, batchv1.IndexedCompletion)
	}
	if s.Completions != nil && s.MaxFailedIndexes != nil && *s.MaxFailedIndexes > *s.Completions {
		invalid("maxFailedIndexes", s.MaxFailedIndexes, "must be less than or equal to completions")
	}
	if deref(s.MaxFailedIndexes) > maxFailedIndexes {
		invalid("maxFailedIndexes", s.MaxFailedIndexes, "must be less than or equal to %d", maxFailedIndexes)
	}
	if deref(s.Completions) <= softCompletions || s.BackoffLimitPerIndex == nil {
		return errs
	}
	const many = "must be less than or equal to %d when completions are above %d and used with backoff limit per index"
	if s.MaxFailedIndexes == nil {
		errs = append(errs, field.Required(path.Child("maxFailedIndexes"), fmt.Sprintf("must be specified when completions is above %d", softCompletions)))
	}
	if deref(s.Parallelism) > softParallelism {
		invalid("parallelism", s.Parallelism, many, softParallelism, softCompletions)
	}
	if deref(s.MaxFailedIndexes) > softParallelism {
		invalid("maxFailedIndexes", s.MaxFailedIndexes, many, softParallelism, softCompletions)
	}
	return errs
}

// validateJobRestartPolicy refuses pods that never end. Always may be what the
// client said or what was filled in, so it counts as missing.
func validateJobRestartPolicy(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	switch policy := s.Template.Spec.RestartPolicy; {
	case policy == corev1.RestartPolicyAlways || policy == "":
		return field.ErrorList{field.Required(path, fmt.Sprintf("valid values: %q, %q", corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever))}
	case policy != corev1.RestartPolicyOnFailure && policy != corev1.RestartPolicyNever:
		return field.ErrorList{field.NotSupported(path, policy, jobRestartPolicies)}
	case policy != corev1.RestartPolicyNever && s.PodFailurePolicy != nil:
		return field.ErrorList{field.Invalid(path, policy, fmt.Sprintf("only %q is supported when podFailurePolicy is specified", corev1.RestartPolicyNever))}
	}
	return nil
}

// validateJobUpdate gives what is wrong with an update besides the metadata.
func validateJobUpdate(j, old *batchv1.Job, o podspec.Options) field.ErrorList {
	path := field.NewPath("spec")
	s, was := &j.Spec, &old.Spec
	errs := append(validateGeneratedSelector(j), validateJobWithSelector(s, path, o)...)
	// Twice, as upstream does: clients see both.
	errs = append(errs, validateJobWithSelector(s, path, o)...)
	errs = append(errs, completionsUpdate(s, was, path)...)
	errs = append(errs, apivalidation.ValidateImmutableField(s.Selector, was.Selector, path.Child("selector"))...)
	errs = append(errs, templateUpdate(j, old, path.Child("template"))...)
	fixed := func(name string, value, old any) { errs = append(errs, same(value, old, path.Child(name))...) }
	fixed("completionMode", s.CompletionMode, was.CompletionMode)
	fixed("podFailurePolicy", s.PodFailurePolicy, was.PodFailurePolicy)
	fixed("backoffLimitPerIndex", s.BackoffLimitPerIndex, was.BackoffLimitPerIndex)
	fixed("managedBy", s.ManagedBy, was.ManagedBy)
	fixed("successPolicy", s.SuccessPolicy, was.SuccessPolicy)
	return errs
}

// completionsUpdate lets only an indexed job change its number of completions,
// and only to its parallelism.
func completionsUpdate(s, old *batchv1.JobSpec, path *field.Path) field.ErrorList {
	at := path.Child("completions")
	if !indexed(s) {
		return apivalidation.ValidateImmutableField(s.Completions, old.Completions, at)
	}
	if s.Completions == nil || apiequality.Semantic.DeepEqual(s.Completions, old.Completions) || *s.Completions == deref(s.Parallelism) {
		return nil
	}
	return field.ErrorList{field.Invalid(at, s.Completions, fmt.Sprintf("can only be modified in tandem with %s", path.Child("parallelism")))}
}

// templateUpdate wants the template to be as it was. Where a suspended job has
// no pods, its metadata and what says where and with what they will run may
// change.
func templateUpdate(j, old *batchv1.Job, path *field.Path) field.ErrorList {
	t, was := &j.Spec.Template, old.Spec.Template.DeepCopy()
	suspended := old.Spec.Suspend != nil && *old.Spec.Suspend
	idle := old.Status.StartTime == nil || old.Status.Active == 0 && hasCondition(old, batchv1.JobSuspended)
	if suspended && idle {
		allowScheduling(&t.Spec, &was.Spec)
		allowResources(t.Spec.Containers, was.Spec.Containers)
		allowResources(t.Spec.InitContainers, was.Spec.InitContainers)
		return same(t.Spec, was.Spec, path.Child("spec"))
	}
	return same(*t, *was, path)
}

func same[T any](value, old T, path *field.Path) field.ErrorList {
	if apiequality.Semantic.DeepEqual(value, old) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, validate.Internal(value), apivalidation.FieldImmutableErrorMsg)}
}

func allowScheduling(s, was *corev1.PodSpec) {
	switch {
	case s.Affinity == nil && was.Affinity != nil:
		was.Affinity.NodeAffinity = nil
		if *was.Affinity == (corev1.Affinity{}) {
			was.Affinity = nil
		}
	case s.Affinity != nil && was.Affinity == nil:
		was.Affinity = &corev1.Affinity{NodeAffinity: s.Affinity.NodeAffinity}
	case s.Affinity != nil:
		was.Affinity.NodeAffinity = s.Affinity.NodeAffinity
	}
	was.NodeSelector = s.NodeSelector
	was.Tolerations = s.Tolerations
	was.SchedulingGates = s.SchedulingGates
}

func allowResources(containers, was []corev1.Container) {
	if len(containers) != len(was) {
		return
	}
	for i := range containers {
		was[i].Resources = containers[i].Resources
	}
}
