package job

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// verdict is whether a Job is over and how: kind is Complete, Failed or blank.
type verdict struct {
	kind            batchv1.JobConditionType
	reason, message string
}

func (v verdict) decided() bool { return v.kind != "" }

// over tells whether a Job has come to its end.
func over(j *batchv1.Job) bool {
	for i := range j.Status.Conditions {
		c := &j.Status.Conditions[i]
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// judge decides from what is counted and named whether the Job is over.
func (r *run) judge() verdict {
	if c := r.condition(batchv1.JobFailureTarget); c != nil && c.Status == corev1.ConditionTrue {
		return verdict{batchv1.JobFailed, c.Reason, c.Message}
	}
	if c := r.condition(batchv1.JobSuccessCriteriaMet); c != nil && c.Status == corev1.ConditionTrue {
		return verdict{batchv1.JobComplete, c.Reason, c.Message}
	}
	failed := int(r.Status.Failed) + len(r.Status.UncountedTerminatedPods.Failed)
	switch limit := int(ptr.Deref(r.Spec.BackoffLimit, 6)); {
	case failed > limit || r.restartsTooOften(limit):
		return verdict{batchv1.JobFailed, batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit"}
	case r.late():
		return verdict{batchv1.JobFailed, batchv1.JobReasonDeadlineExceeded, "Job was active longer than specified deadline"}
	case r.Spec.MaxFailedIndexes != nil && len(r.failed) > int(*r.Spec.MaxFailedIndexes):
		return verdict{batchv1.JobFailed, batchv1.JobReasonMaxFailedIndexesExceeded, "Job has exceeded the specified maximal number of failed indexes"}
	}
	if i, ok := r.succeedsBy(); ok {
		return verdict{batchv1.JobComplete, batchv1.JobReasonSuccessPolicy, fmt.Sprintf("Matched rules at index %d", i)}
	}
	done := int(r.Status.Succeeded)
	if !r.indexed() {
		done += len(r.Status.UncountedTerminatedPods.Succeeded)
	}
	reached := verdict{batchv1.JobComplete, batchv1.JobReasonCompletionsReached, "Reached expected number of succeeded pods"}
	switch {
	case r.Spec.Completions == nil && done > 0 && len(r.active) == 0:
		return reached
	case r.Spec.Completions == nil:
		return verdict{}
	case done >= int(*r.Spec.Completions):
		return reached
	case len(r.failed) > 0 && done+len(r.failed) >= int(*r.Spec.Completions):
		return verdict{batchv1.JobFailed, batchv1.JobReasonFailedIndexes, "Job has failed indexes"}
	}
	return verdict{}
}

// restartsTooOften counts the restarts of containers that a kubelet starts again.
func (r *run) restartsTooOften(limit int) bool {
	if r.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		return false
	}
	n := 0
	for _, p := range r.active {
		if p.Status.Phase != corev1.PodRunning && p.Status.Phase != corev1.PodPending {
			continue
		}
		for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
			for i := range list {
				n += int(list[i].RestartCount)
			}
		}
	}
	if limit == 0 {
		return n > 0
	}
	return n >= limit
}

// late tells whether the Job has run longer than it may.
func (r *run) late() bool {
	if r.Spec.ActiveDeadlineSeconds == nil || r.Status.StartTime == nil || r.suspended() {
		return false
	}
	left := r.Status.StartTime.Add(time.Duration(*r.Spec.ActiveDeadlineSeconds) * time.Second).Sub(r.Clock())
	r.later(left)
	return left <= 0
}

// succeedsBy gives the rule of the success policy that is met.
// https://kubernetes.io/docs/concepts/workloads/controllers/job/#success-policy
func (r *run) succeedsBy() (int, bool) {
	if r.Spec.SuccessPolicy == nil || !r.indexed() {
		return 0, false
	}
	for i, rule := range r.Spec.SuccessPolicy.Rules {
		got, want := len(r.completed), 0
		if rule.SucceededIndexes != nil {
			asked := parseIndexes(*rule.SucceededIndexes)
			got, want = 0, len(asked)
			for index := range asked {
				if r.completed[index] {
					got++
				}
			}
		}
		if rule.SucceededCount != nil {
			want = int(*rule.SucceededCount)
		}
		if got >= want {
			return i, true
		}
	}
	return 0, false
}

// finish says how the Job ends: first that it will, and when no pod is left and
// all are counted, that it has.
func (r *run) finish(v verdict) {
	if !v.decided() {
		return
	}
	target, reason := batchv1.JobSuccessCriteriaMet, "Completed"
	if v.kind == batchv1.JobFailed {
		target, reason = batchv1.JobFailureTarget, v.reason
	}
	r.setCondition(target, corev1.ConditionTrue, v.reason, v.message)
	u := r.Status.UncountedTerminatedPods
	if len(r.active)+len(r.terminating)+len(u.Failed)+len(u.Succeeded) > 0 {
		return
	}
	r.setCondition(v.kind, corev1.ConditionTrue, v.reason, v.message)
	if v.kind == batchv1.JobComplete {
		r.Status.CompletionTime = ptr.To(metav1.NewTime(r.Clock()))
		r.Events.Event(r.Job, corev1.EventTypeNormal, reason, "Job completed")
		return
	}
	r.Events.Event(r.Job, corev1.EventTypeWarning, reason, "%s", v.message)
}

func (r *run) setTarget(reason, message string) {
	r.setCondition(batchv1.JobFailureTarget, corev1.ConditionTrue, reason, message)
}

func (r *run) condition(kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range r.Status.Conditions {
		if r.Status.Conditions[i].Type == kind {
			return &r.Status.Conditions[i]
		}
	}
	return nil
}

func (r *run) has(kind batchv1.JobConditionType) bool {
	c := r.condition(kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

// setCondition tells whether a condition was not like that already.
func (r *run) setCondition(kind batchv1.JobConditionType, status corev1.ConditionStatus, reason, message string) bool {
	now := metav1.NewTime(r.Clock())
	next := batchv1.JobCondition{Type: kind, Status: status, Reason: reason, Message: message, LastProbeTime: now, LastTransitionTime: now}
	c := r.condition(kind)
	switch {
	case c == nil:
		r.Status.Conditions = append(r.Status.Conditions, next)
		return true
	case c.Status == status:
		return false
	}
	*c = next
	return true
}
