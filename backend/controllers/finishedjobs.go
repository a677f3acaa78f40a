package controllers

import (
	"bytes"
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

var jobs = batchv1.SchemeGroupVersion.WithResource("jobs")

// newFinishedJobs deletes Jobs, and with them their pods, some time after they
// have ended: spec.ttlSecondsAfterFinished.
// https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
func newFinishedJobs(d Deps) func(context.Context) error {
	q := loop.NewQueue[types.NamespacedName]("ttl_jobs_to_delete")
	word, condition := []byte(`"ttlSecondsAfterFinished"`), []byte(`"conditions"`)
	f := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("batch", "jobs"), Event: func(_ *registry.Store, e *watchcache.Event) {
		if raw := e.Object.Raw; e.Type != watchcache.Deleted && bytes.Contains(raw, word) && bytes.Contains(raw, condition) {
			q.Add(loop.NameOf(e.Object))
		}
	}}
	clean := func(ctx context.Context, key types.NamespacedName) error {
		var job batchv1.Job
		if err := d.Client.Get(ctx, jobs, key.Namespace, key.Name, &job); err != nil {
			return ignoreNotFound(err)
		}
		left, ok := timeLeft(&job, d.Clock())
		switch {
		case !ok:
			return nil
		case left > 0:
			q.AddAfter(key, left)
			return nil
		}
		klog.V(2).InfoS("Job is cleaned away, its time is over", "job", key)
		foreground := metav1.DeletePropagationForeground
		return ignoreNotFound(d.Client.Delete(ctx, jobs, key.Namespace, key.Name, &metav1.DeleteOptions{
			PropagationPolicy: &foreground, Preconditions: metav1.NewUIDPreconditions(string(job.UID)),
		}))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, f.Run, func(ctx context.Context) error { return q.Work(ctx, 2, clean) })
	}
}

// timeLeft is how long a job that has ended stays; false for one that has not, or
// that stays for ever, or goes already.
func timeLeft(job *batchv1.Job, now time.Time) (time.Duration, bool) {
	if job.DeletionTimestamp != nil || job.Spec.TTLSecondsAfterFinished == nil {
		return 0, false
	}
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue && !c.LastTransitionTime.IsZero() {
			ttl := time.Duration(*job.Spec.TTLSecondsAfterFinished) * time.Second
			return c.LastTransitionTime.Add(ttl).Sub(now), true
		}
	}
	return 0, false
}
