// Package job runs the pods of Jobs until enough of them have succeeded or too
// many have failed. Each pod has the finalizer batch.kubernetes.io/job-tracking
// until it is counted, so that none is counted twice or lost. Read job.go first,
// then count.go (which pods are over), verdict.go (is the Job over), create.go and
// policy.go.
// https://kubernetes.io/docs/concepts/workloads/controllers/job/
package job

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/watchcache"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var kind = workload.Kind{
	GroupVersionKind: batchv1.SchemeGroupVersion.WithKind("Job"),
	Resource:         batchv1.SchemeGroupVersion.WithResource("jobs"),
}

// burst bounds the pods that are made or deleted in one go.
const burst = 500

type controller struct {
	*workload.Controller[*batchv1.Job]
	orphans *loop.Queue[types.NamespacedName]

	mu      sync.Mutex
	backoff map[types.UID]failures // of Jobs
}

// failures are those of a Job since a pod last succeeded.
type failures struct {
	count int
	last  time.Time
}

// New gives the loop job-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{
		Controller: workload.New[*batchv1.Job](d, kind, "job-controller"),
		orphans:    loop.NewQueue[types.NamespacedName]("job_orphan_pod"), backoff: map[types.UID]failures{},
	}
	followed := loop.NewView[*corev1.Pod](d, "", "pods").Follower(d, func(o, _ *watchcache.Object, gone bool) {
		if !gone && isTracked(o) {
			c.orphans.Add(loop.NameOf(o))
		}
	})
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, c.FollowPods(selectorOf), followed.Run,
			func(ctx context.Context) error { return c.orphans.Work(ctx, 2, c.orphan) })
	}
}

func selectorOf(j *batchv1.Job) (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(j.Spec.Selector)
}

// run is one Job while it is worked on.
type run struct {
	*controller
	*batchv1.Job
	seen batchv1.JobStatus // as it was read
	pods []*corev1.Pod

	active, terminating []*corev1.Pod
	ignored             []*corev1.Pod // failed ones that do not count
	completed, failed   indexes       // of an indexed Job
	wait                time.Duration
}

func (c *controller) sync(ctx context.Context, read *batchv1.Job) error {
	if by := read.Spec.ManagedBy; by != nil && *by != batchv1.JobControllerName {
		return nil
	}
	selector, err := selectorOf(read)
	if err != nil || selector.Empty() {
		return nil //nolint:nilerr // it would select everything or nothing: trying again does not help
	}
	if over(read) {
		c.mu.Lock()
		delete(c.backoff, read.UID)
		c.mu.Unlock()
		return nil // its pods are let go as orphans
	}
	r := &run{controller: c, Job: read.DeepCopy(), seen: *read.Status.DeepCopy()}
	if r.pods, err = workload.Claim(ctx, c.Deps, workload.Pods, r.Job, kind.GroupVersionKind, selector, c.Mine(r.Job, selector)); err != nil {
		return err
	}
	if r.Status.StartTime == nil && !r.suspended() {
		r.Status.StartTime = ptr.To(metav1.NewTime(c.Clock()))
	}
	r.count()
	verdict := r.judge()
	if err := r.act(ctx, verdict); err != nil {
		r.report(ctx) //nolint:errcheck // the first error is the one to give
		return err
	}
	r.finish(verdict)
	if err := r.report(ctx); err != nil {
		return err
	}
	if r.wait > 0 {
		c.Queue.AddAfter(loop.Key(read), r.wait)
	}
	return r.release(ctx)
}

func (r *run) indexed() bool {
	return ptr.Deref(r.Spec.CompletionMode, batchv1.NonIndexedCompletion) == batchv1.IndexedCompletion
}

func (r *run) suspended() bool { return ptr.Deref(r.Spec.Suspend, false) }

// later asks to be worked on again after a while, if not sooner.
func (r *run) later(d time.Duration) {
	if d > 0 && (r.wait == 0 || d < r.wait) {
		r.wait = d
	}
}

// act makes and deletes pods.
func (r *run) act(ctx context.Context, v verdict) error {
	switch {
	case r.DeletionTimestamp != nil:
		return nil
	case v.decided():
		return r.stop(ctx, r.active)
	case r.suspended():
		if err := r.stop(ctx, r.active); err != nil {
			return err
		}
		if r.setCondition(batchv1.JobSuspended, corev1.ConditionTrue, "JobSuspended", "Job suspended") {
			r.Events.Event(r.Job, corev1.EventTypeNormal, "Suspended", "Job suspended")
		}
		return nil
	}
	if r.has(batchv1.JobSuspended) {
		r.setCondition(batchv1.JobSuspended, corev1.ConditionFalse, "JobResumed", "Job resumed")
		r.Events.Event(r.Job, corev1.EventTypeNormal, "Resumed", "Job resumed")
		r.Status.StartTime = ptr.To(metav1.NewTime(r.Clock()))
	}
	return r.manage(ctx)
}

// stop deletes pods; they count neither as succeeded nor as failed.
func (r *run) stop(ctx context.Context, list []*corev1.Pod) error {
	for _, err := range workload.AtOnce(min(len(list), burst), func(i int) error {
		if err := r.untrack(ctx, list[i]); err != nil {
			return err
		}
		if err := workload.Delete(ctx, r.Deps, workload.Pods, list[i]); err != nil {
			r.Events.Event(r.Job, corev1.EventTypeWarning, "FailedDelete", "Error deleting: %v", err)
			return err
		}
		r.Events.Event(r.Job, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", list[i].Name)
		return nil
	}) {
		if err != nil {
			return err
		}
	}
	r.active = workload.Without(r.active, func(p *corev1.Pod) bool { return slices.Contains(list, p) })
	r.terminating = append(r.terminating, list...)
	return nil
}

// report writes the status.
func (r *run) report(ctx context.Context) error {
	s := &r.Status
	s.Active, s.Terminating = int32(len(r.active)), ptr.To(int32(len(r.terminating))) //nolint:gosec // counts of pods
	ready := int32(0)
	for _, p := range r.active {
		if pods.Ready(p) {
			ready++
		}
	}
	s.Ready = &ready
	if equality.Semantic.DeepEqual(r.seen, *s) {
		return nil
	}
	err := r.Client.UpdateSubresource(ctx, kind.Resource, "status", r.Job)
	if apierrors.IsNotFound(err) {
		return nil
	}
	r.Objects.CatchUp(ctx, r.Job)
	return err
}

// release takes the finalizer from the pods that the status names.
func (r *run) release(ctx context.Context) error {
	u := r.Status.UncountedTerminatedPods
	if u == nil {
		return nil
	}
	list := slices.Clone(r.ignored)
	for _, p := range r.pods {
		if tracked(p) && (slices.Contains(u.Succeeded, p.UID) || slices.Contains(u.Failed, p.UID)) {
			list = append(list, p)
		}
	}
	for _, err := range workload.AtOnce(len(list), func(i int) error { return r.untrack(ctx, list[i]) }) {
		if err != nil {
			return err
		}
	}
	if len(u.Succeeded)+len(u.Failed) > 0 {
		r.Queue.Add(loop.Key(r.Job)) // to count them
	}
	return nil
}

// tracked tells whether a pod waits to be counted.
func tracked(p *corev1.Pod) bool { return slices.Contains(p.Finalizers, batchv1.JobTrackingFinalizer) }

// untrack takes the finalizer from a pod.
func (c *controller) untrack(ctx context.Context, p *corev1.Pod) error {
	if !tracked(p) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": p.UID, "$deleteFromPrimitiveList/finalizers": []string{batchv1.JobTrackingFinalizer},
	}})
	if err != nil {
		return err
	}
	into := &corev1.Pod{}
	err = c.Client.Patch(ctx, workload.Pods, p.Namespace, p.Name, "", types.StrategicMergePatchType, patch, into)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or another one
	}
	if err == nil {
		c.Pods.CatchUp(ctx, into)
	}
	return err
}

// orphan lets go of a pod that no Job will count.
func (c *controller) orphan(ctx context.Context, key types.NamespacedName) error {
	p, ok := c.Pods.Get(key.Namespace, key.Name)
	if !ok || !tracked(p) {
		return nil
	}
	if ref := metav1.GetControllerOfNoCopy(p); ref != nil {
		j, ok := c.Objects.Get(p.Namespace, ref.Name)
		if ok && j.UID == ref.UID && !over(j) {
			return nil
		}
	}
	return c.untrack(ctx, p)
}
