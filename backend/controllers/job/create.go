package job

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"pilothouse/backend/controllers/workload"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
)

// The waits before a failed pod is replaced, as in Kubernetes: from 10 s on twice
// as long each time.
const (
	firstWait = 10 * time.Second
	maxWait   = 10 * time.Minute
)

// manage makes the pods that are missing, or deletes those that are too many.
func (r *run) manage(ctx context.Context) error {
	want := r.wantActive()
	if extra := len(r.active) - want; extra > 0 {
		list := slices.Clone(r.active)
		workload.SortForDeletion(list, list, r.Clock())
		return r.stop(ctx, list[:min(extra, burst)])
	}
	n := want - len(r.active)
	if ptr.Deref(r.Spec.PodReplacementPolicy, batchv1.TerminatingOrFailed) == batchv1.Failed || r.Spec.PodFailurePolicy != nil {
		n -= len(r.terminating)
	}
	n = min(n, burst)
	if n <= 0 {
		return nil
	}
	if r.Spec.BackoffLimitPerIndex == nil {
		if left := r.backsOff(); left > 0 {
			r.later(left)
			return nil
		}
	}
	if !r.indexed() {
		return r.create(ctx, n, func(int) *corev1.Pod { return r.newPod() })
	}
	list := r.missing(n)
	return r.create(ctx, len(list), func(i int) *corev1.Pod { return r.newIndexed(list[i]) })
}

// wantActive is how many pods should run at once.
func (r *run) wantActive() int {
	parallel := int(ptr.Deref(r.Spec.Parallelism, 1))
	done := int(r.Status.Succeeded)
	if !r.indexed() {
		done += len(r.Status.UncountedTerminatedPods.Succeeded)
	}
	if r.Spec.Completions == nil {
		if done > 0 {
			return min(len(r.active), parallel)
		}
		return parallel
	}
	return min(max(int(*r.Spec.Completions)-done-len(r.failed), 0), parallel)
}

// backsOff tells how long to wait after failures.
func (r *run) backsOff() time.Duration {
	r.mu.Lock()
	f := r.backoff[r.UID]
	r.mu.Unlock()
	return f.left(r.Clock())
}

func (f failures) left(now time.Time) time.Duration {
	if f.count == 0 {
		return 0
	}
	wait := maxWait
	if f.count < 10 {
		wait = min(firstWait<<(f.count-1), maxWait)
	}
	return f.last.Add(wait).Sub(now)
}

// missing gives the first n indexes for which a pod is to be made.
func (r *run) missing(n int) []int {
	taken := indexes{}
	for _, p := range r.active {
		if i, ok := indexOf(p); ok {
			taken.add(i)
		}
	}
	onlyFailed := ptr.Deref(r.Spec.PodReplacementPolicy, batchv1.TerminatingOrFailed) == batchv1.Failed || r.Spec.PodFailurePolicy != nil
	if onlyFailed {
		for _, p := range r.terminating {
			if i, ok := indexOf(p); ok {
				taken.add(i)
			}
		}
	}
	var out []int
	for i := 0; i < int(*r.Spec.Completions) && len(out) < n; i++ {
		if taken[i] || r.completed[i] || r.failed[i] {
			continue
		}
		if r.Spec.BackoffLimitPerIndex != nil {
			if left := r.lastOf(i).left(r.Clock()); left > 0 {
				r.later(left)
				continue
			}
		}
		out = append(out, i)
	}
	return out
}

// lastOf gives the failures of an index, as its pods that are over tell.
func (r *run) lastOf(index int) (f failures) {
	for _, p := range r.pods {
		if i, ok := indexOf(p); !ok || i != index || !r.isFailed(p) {
			continue
		}
		if n := failuresOf(p) + 1; n > f.count {
			f.count = n
		}
		if at := endedAt(p, p.CreationTimestamp.Time); at.After(f.last) {
			f.last = at
		}
	}
	return f
}

func (r *run) newPod() *corev1.Pod {
	p := workload.NewPod(&r.Spec.Template, r.Job, kind.GroupVersionKind)
	p.Finalizers = append(slices.Clone(p.Finalizers), batchv1.JobTrackingFinalizer)
	return p
}

// newIndexed gives the pod of an index, which finds it in its environment, its
// labels and its host name.
func (r *run) newIndexed(index int) *corev1.Pod {
	p := r.newPod()
	text := strconv.Itoa(index)
	p.GenerateName = podPrefix(r.Name, text)
	p.Labels, p.Annotations = maps.Clone(p.Labels), maps.Clone(p.Annotations)
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Labels[batchv1.JobCompletionIndexAnnotation], p.Annotations[batchv1.JobCompletionIndexAnnotation] = text, text
	if r.Spec.BackoffLimitPerIndex != nil {
		p.Annotations[batchv1.JobIndexFailureCountAnnotation] = strconv.Itoa(r.lastOf(index).count)
	}
	p.Spec.Hostname = fmt.Sprintf("%s-%d", r.Name, index)
	env := corev1.EnvVar{Name: "JOB_COMPLETION_INDEX", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: fmt.Sprintf("metadata.labels['%s']", batchv1.JobCompletionIndexAnnotation)},
	}}
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range list {
			if !slices.ContainsFunc(list[i].Env, func(e corev1.EnvVar) bool { return e.Name == env.Name }) {
				list[i].Env = append(list[i].Env, env)
			}
		}
	}
	return p
}

// podPrefix gives the beginning of the name of an index's pod, short enough for
// what comes after it.
func podPrefix(job, index string) string {
	const random = 5
	end := "-" + index + "-"
	if most := validation.DNS1123LabelMaxLength - random - len(end); len(job) > most {
		job = job[:most]
	}
	return job + end
}

func (r *run) create(ctx context.Context, n int, newPod func(i int) *corev1.Pod) error {
	made := make([]*corev1.Pod, n)
	_, err := workload.SlowStart(n, func(i int) error {
		p := newPod(i)
		if err := r.Client.Create(ctx, workload.Pods, r.Namespace, p); err != nil {
			if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				r.Events.Event(r.Job, corev1.EventTypeWarning, "FailedCreate", "Error creating: %v", err)
			}
			return err
		}
		r.Pods.CatchUp(ctx, p)
		r.Events.Event(r.Job, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
		made[i] = p
		return nil
	})
	for _, p := range made {
		if p != nil {
			r.active = append(r.active, p)
		}
	}
	return err
}
