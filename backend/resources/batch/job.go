package batch

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// jobResource is pods that run until enough of them succeeded.
func jobResource(env *registry.Env) registry.Resource {
	status := jobStatusStrategy().Strategy()
	successful := registry.FieldOf("status.successful", func(j *batchv1.Job) string { return strconv.Itoa(int(j.Status.Succeeded)) })
	successful.Reads = []string{"status.succeeded"}
	return registry.Resource{
		Group:      batchv1.GroupName,
		Name:       "jobs",
		Singular:   "job",
		Kind:       "Job",
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &batchv1.Job{} },
			Default: registry.Typed(setJobDefaults),
		}},
		Strategy: jobStrategy(env).Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Status", "Status of the job."),
			printers.Column("Completions", batchv1.JobStatus{}.SwaggerDoc()["succeeded"]),
			printers.Column("Duration", "Time required to complete the job."),
			printers.Age,
			printers.Wide("Containers", "Names of each container in the template."),
			printers.Wide("Images", "Images referenced by each container in the template."),
			printers.Wide("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"]),
		},
		Cells:  registry.Row(jobCells),
		Fields: []registry.Field{successful},
		UnknownField: func(name string) string {
			return fmt.Sprintf("field label %q not supported for Job", name)
		},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func setJobDefaults(j *batchv1.Job) {
	s := &j.Spec
	if s.Completions == nil && s.Parallelism == nil {
		s.Completions = new(int32(1))
	}
	if s.Parallelism == nil {
		s.Parallelism = new(int32(1))
	}
	if s.BackoffLimit == nil {
		s.BackoffLimit = new(int32(6))
		if s.BackoffLimitPerIndex != nil {
			s.BackoffLimit = new(int32(math.MaxInt32))
		}
	}
	if len(j.Labels) == 0 && s.Template.Labels != nil {
		// The same map: the labels that the selector needs, which a new job's
		// template gets, become the job's too.
		j.Labels = s.Template.Labels
	}
	if s.CompletionMode == nil {
		s.CompletionMode = new(batchv1.NonIndexedCompletion)
	}
	if s.Suspend == nil {
		s.Suspend = new(false)
	}
	if s.PodReplacementPolicy == nil {
		s.PodReplacementPolicy = new(batchv1.TerminatingOrFailed)
		if s.PodFailurePolicy != nil {
			s.PodReplacementPolicy = new(batchv1.Failed)
		}
	}
	if s.ManualSelector == nil {
		s.ManualSelector = new(false)
	}
	setFailurePolicyDefaults(s.PodFailurePolicy)
	podspec.SetTemplateDefaults(&s.Template)
}

func setFailurePolicyDefaults(p *batchv1.PodFailurePolicy) {
	if p == nil {
		return
	}
	for i := range p.Rules {
		for j := range p.Rules[i].OnPodConditions {
			if c := &p.Rules[i].OnPodConditions[j]; c.Status == "" {
				c.Status = corev1.ConditionTrue
			}
		}
	}
}

func jobStrategy(env *registry.Env) registry.For[*batchv1.Job] {
	path := field.NewPath("spec")
	return registry.For[*batchv1.Job]{
		ValidatesMetaOnUpdate: 1,
		PrepareForCreate: func(_ context.Context, j *batchv1.Job) {
			if !manual(j) {
				generateSelector(j)
			}
			j.Status = batchv1.JobStatus{}
			j.Generation = 1
			podspec.DropGated(&j.Spec.Template.Spec)
		},
		Validate: func(_ context.Context, j *batchv1.Job) field.ErrorList {
			return validateJobCreate(j, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, j *batchv1.Job) []string {
			return append(podspec.OwnerNameWarnings(j.Name), jobSpecWarnings(&j.Spec, path)...)
		},
		PrepareForUpdate: func(_ context.Context, j, old *batchv1.Job) {
			j.Status = old.Status
			podspec.DropGated(&j.Spec.Template.Spec)
			j.Generation = old.Generation
			if !apiequality.Semantic.DeepEqual(j.Spec, old.Spec) {
				j.Generation++
			}
		},
		ValidateUpdate: func(_ context.Context, j, old *batchv1.Job) field.ErrorList {
			return validateJobUpdate(j, old, podspec.ForUpdate(env.AllowPrivileged, &old.Spec.Template.Spec, &old.Spec.Template.ObjectMeta))
		},
		WarningsOnUpdate: func(_ context.Context, j, old *batchv1.Job) []string {
			if j.Generation == old.Generation {
				return nil
			}
			return jobSpecWarnings(&j.Spec, path)
		},
		Canonicalize: func(j *batchv1.Job) {
			// Kubernetes' default for the labels reads what is stored, generated ones
			// and all.
			if len(j.Labels) == 0 {
				j.Labels = maps.Clone(j.Spec.Template.Labels)
			}
		},
		OrphanByDefault: true,
		WarnOnDelete: func(o *metav1.DeleteOptions) []string {
			//nolint:staticcheck // the older option still counts
			if o.PropagationPolicy != nil || o.OrphanDependents != nil {
				return nil
			}
			return []string{"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"}
		},
		ResetFields: map[string][]string{"batch/v1": {"status"}},
	}
}

// manual tells that the job's owner looks after the selector.
func manual(j *batchv1.Job) bool { return j.Spec.ManualSelector != nil && *j.Spec.ManualSelector }

// The labels of a job's pods under their names of old.
const (
	legacyControllerUIDLabel = "controller-uid"
	legacyJobNameLabel       = "job-name"
)

// generateSelector makes a selector that only this job's pods match, by its
// uid, and the labels for it. What the client has set stays, for validation to
// refuse if it doesn't fit.
func generateSelector(j *batchv1.Job) {
	t, s := &j.Spec.Template, &j.Spec
	if t.Labels == nil {
		t.Labels = map[string]string{}
	}
	for key, value := range generatedLabels(j) {
		if _, there := t.Labels[key]; !there {
			t.Labels[key] = value
		}
	}
	if s.Selector == nil {
		s.Selector = &metav1.LabelSelector{}
	}
	if s.Selector.MatchLabels == nil {
		s.Selector.MatchLabels = map[string]string{}
	}
	if _, there := s.Selector.MatchLabels[batchv1.ControllerUidLabel]; !there {
		s.Selector.MatchLabels[batchv1.ControllerUidLabel] = string(j.UID)
	}
}

func generatedLabels(j *batchv1.Job) map[string]string {
	return map[string]string{
		legacyControllerUIDLabel:   string(j.UID),
		batchv1.ControllerUidLabel: string(j.UID),
		legacyJobNameLabel:         j.Name,
		batchv1.JobNameLabel:       j.Name,
	}
}

const (
	softCompletions = 100_000
	softParallelism = 10_000
)

// jobSpecWarnings warns of what is dubious in the spec of a job at path.
func jobSpecWarnings(s *batchv1.JobSpec, path *field.Path) []string {
	var warnings []string
	if indexed(s) && deref(s.Completions) > softCompletions && deref(s.Parallelism) > softParallelism {
		warnings = append(warnings, fmt.Sprintf("%s: %s", path, "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"))
	}
	return append(warnings, podspec.TemplateWarnings(&s.Template, path.Child("template"))...)
}

func indexed(s *batchv1.JobSpec) bool {
	return s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion
}

func deref(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

func jobCells(j *batchv1.Job, now registry.Clock) []any {
	names, images := podspec.NamesAndImages(j.Spec.Template.Spec.Containers)
	return []any{
		j.Name, jobState(j), jobCompletions(j), jobDuration(j, now), printers.Since(j.CreationTimestamp, now),
		names, images, metav1.FormatLabelSelector(j.Spec.Selector),
	}
}

func jobState(j *batchv1.Job) string {
	switch {
	case hasCondition(j, batchv1.JobComplete):
		return "Complete"
	case hasCondition(j, batchv1.JobFailed):
		return "Failed"
	case j.DeletionTimestamp != nil:
		return "Terminating"
	case hasCondition(j, batchv1.JobSuspended):
		return "Suspended"
	case hasCondition(j, batchv1.JobFailureTarget):
		return "FailureTarget"
	case hasCondition(j, batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

func jobCompletions(j *batchv1.Job) string {
	if j.Spec.Completions != nil {
		return fmt.Sprintf("%d/%d", j.Status.Succeeded, *j.Spec.Completions)
	}
	if n := deref(j.Spec.Parallelism); n > 1 {
		return fmt.Sprintf("%d/1 of %d", j.Status.Succeeded, n)
	}
	return fmt.Sprintf("%d/1", j.Status.Succeeded)
}

func jobDuration(j *batchv1.Job, now registry.Clock) string {
	switch start, end := j.Status.StartTime, j.Status.CompletionTime; {
	case start == nil:
		return ""
	case end == nil:
		return duration.HumanDuration(now().Sub(start.Time))
	default:
		return duration.HumanDuration(end.Sub(start.Time))
	}
}

// hasCondition tells whether a condition of a job is there and true.
func hasCondition(j *batchv1.Job, t batchv1.JobConditionType) bool {
	for i := range j.Status.Conditions {
		if c := &j.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}
