package job

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/watchcache"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// maxUncounted bounds the pods that a status names at once.
const maxUncounted = 500

func isTracked(o *watchcache.Object) bool {
	return bytes.Contains(o.Raw, []byte(`"`+batchv1.JobTrackingFinalizer+`"`))
}

// count sorts the pods into those that run, those that are on their way out and
// those that are over. What is over is named in the status first, lets go of its
// finalizer then, and is counted when the finalizer is gone.
func (r *run) count() {
	s := &r.Status
	if s.UncountedTerminatedPods == nil {
		s.UncountedTerminatedPods = &batchv1.UncountedTerminatedPods{}
	}
	u := s.UncountedTerminatedPods
	waits := map[types.UID]bool{}
	for _, p := range r.pods {
		if tracked(p) {
			waits[p.UID] = true
		}
	}
	counted := func(list []types.UID, into *int32) []types.UID {
		rest := slices.DeleteFunc(slices.Clone(list), func(uid types.UID) bool { return !waits[uid] })
		*into += int32(len(list) - len(rest)) //nolint:gosec // a few pods
		if len(rest) == 0 {
			return nil
		}
		return rest
	}
	if !r.indexed() {
		u.Succeeded = counted(u.Succeeded, &s.Succeeded)
	} else {
		u.Succeeded = nil
		r.completed, r.failed = parseIndexes(s.CompletedIndexes), parseIndexes(ptr.Deref(s.FailedIndexes, ""))
	}
	u.Failed = counted(u.Failed, &s.Failed)

	succeeded := 0
	for _, p := range r.pods {
		switch {
		case pods.Active(p):
			r.active = append(r.active, p)
			continue
		case !pods.Over(p):
			r.terminating = append(r.terminating, p)
		}
		if !tracked(p) || len(u.Succeeded)+len(u.Failed) >= maxUncounted {
			continue
		}
		switch {
		case p.Status.Phase == corev1.PodSucceeded:
			if slices.Contains(u.Succeeded, p.UID) {
				continue
			}
			succeeded++
			r.succeeded(p, u)
		case r.isFailed(p) && !slices.Contains(u.Failed, p.UID):
			r.fails(p, u)
		}
	}
	if r.indexed() {
		s.CompletedIndexes, s.Succeeded = r.completed.String(), int32(len(r.completed)) //nolint:gosec // bounded by the completions
		if r.Spec.BackoffLimitPerIndex != nil {
			s.FailedIndexes = ptr.To(r.failed.String())
		}
	}
	if succeeded > 0 {
		r.mu.Lock()
		delete(r.backoff, r.UID)
		r.mu.Unlock()
	}
}

// succeeded notes a pod that has succeeded: by its index, or by name for now.
func (r *run) succeeded(p *corev1.Pod, u *batchv1.UncountedTerminatedPods) {
	if !r.indexed() {
		u.Succeeded = append(u.Succeeded, p.UID)
		return
	}
	if i, ok := indexOf(p); ok && i < int(*r.Spec.Completions) {
		r.completed.add(i)
	}
	u.Succeeded = append(u.Succeeded, p.UID) // so that it lets go of its finalizer
}

// isFailed tells whether a pod counts as failed. One that is on its way out does
// at once, unless only failed ones are to be replaced.
func (r *run) isFailed(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodFailed {
		return true
	}
	onlyFailed := ptr.Deref(r.Spec.PodReplacementPolicy, batchv1.TerminatingOrFailed) == batchv1.Failed || r.Spec.PodFailurePolicy != nil
	return p.DeletionTimestamp != nil && (!onlyFailed || r.DeletionTimestamp != nil)
}

// fails notes a pod that has failed, as the failure policy says.
func (r *run) fails(p *corev1.Pod, u *batchv1.UncountedTerminatedPods) {
	action, message := r.policy(p)
	switch action {
	case batchv1.PodFailurePolicyActionFailJob:
		r.setTarget("PodFailurePolicy", message)
	case batchv1.PodFailurePolicyActionFailIndex:
		r.failIndex(p)
	}
	if action != batchv1.PodFailurePolicyActionIgnore {
		if limit := r.Spec.BackoffLimitPerIndex; limit != nil && failuresOf(p)+1 > int(*limit) {
			r.failIndex(p)
		}
		u.Failed = append(u.Failed, p.UID)
		r.mu.Lock()
		f := r.backoff[r.UID]
		f.count++
		if at := endedAt(p, r.Clock()); at.After(f.last) {
			f.last = at
		}
		r.backoff[r.UID] = f
		r.mu.Unlock()
		return
	}
	r.ignored = append(r.ignored, p)
}

func (r *run) failIndex(p *corev1.Pod) {
	if i, ok := indexOf(p); ok && r.Spec.BackoffLimitPerIndex != nil {
		r.failed.add(i)
	}
}

// indexOf gives the index of a pod.
func indexOf(p *corev1.Pod) (int, bool) {
	i, err := strconv.Atoi(p.Annotations[batchv1.JobCompletionIndexAnnotation])
	return i, err == nil && i >= 0
}

// failuresOf tells how many pods of its index failed before a pod.
func failuresOf(p *corev1.Pod) int {
	n, err := strconv.Atoi(p.Annotations[batchv1.JobIndexFailureCountAnnotation])
	if err != nil {
		return 0
	}
	return n
}

// endedAt is when the last container of a pod ended.
func endedAt(p *corev1.Pod, now time.Time) time.Time {
	var last time.Time
	for i := range p.Status.ContainerStatuses {
		if t := p.Status.ContainerStatuses[i].State.Terminated; t != nil && t.FinishedAt.After(last) {
			last = t.FinishedAt.Time
		}
	}
	if !last.IsZero() {
		return last
	}
	if p.DeletionTimestamp != nil {
		return p.DeletionTimestamp.Time
	}
	if c := pods.Condition(p, corev1.PodReady); c != nil && !c.LastTransitionTime.IsZero() {
		return c.LastTransitionTime.Time
	}
	return now
}
