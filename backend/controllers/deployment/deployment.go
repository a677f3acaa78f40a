// Package deployment rolls Deployments out over ReplicaSets: a new ReplicaSet for
// each template, the old ones kept as revisions. Read deployment.go first, then
// sets.go (which ReplicaSet is which), rolling.go, scale.go and status.go.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
package deployment

import (
	"context"
	"fmt"
	"slices"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

var (
	kind = workload.Kind{
		GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment"),
		Resource:         appsv1.SchemeGroupVersion.WithResource("deployments"),
	}
	replicaSets = appsv1.SchemeGroupVersion.WithResource("replicasets")
)

type controller struct {
	*workload.Controller[*appsv1.Deployment]
	sets *loop.View[*appsv1.ReplicaSet]
}

// New gives the loop deployment-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{workload.New[*appsv1.Deployment](d, kind, "deployment-controller"), loop.NewView[*appsv1.ReplicaSet](d, appsv1.GroupName, "replicasets")}
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, workload.FollowOwned(c.Controller, c.sets, selectorOf))
	}
}

func selectorOf(d *appsv1.Deployment) (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(d.Spec.Selector)
}

// rollout is one Deployment while it is worked on. next is what it is to become;
// its annotations and status are written at the end.
type rollout struct {
	*controller
	*appsv1.Deployment
	all  []*appsv1.ReplicaSet // in the order of their creation
	now  *appsv1.ReplicaSet   // that of the template, nil before it is made
	old  []*appsv1.ReplicaSet
	seen appsv1.DeploymentStatus // as it was read
}

func (c *controller) sync(ctx context.Context, read *appsv1.Deployment) error {
	selector, err := selectorOf(read)
	if err != nil || selector.Empty() {
		return nil //nolint:nilerr // it would select everything or nothing: trying again does not help
	}
	d := read.DeepCopy()
	all, err := workload.Claim(ctx, c.Deps, replicaSets, d, kind.GroupVersionKind, selector, c.sets.ListOwned(d.GetNamespace(), d.GetUID(), selector))
	if err != nil {
		return err
	}
	r := &rollout{controller: c, Deployment: d, all: slices.Clone(all), seen: *read.Status.DeepCopy()}
	r.sort()
	if d.DeletionTimestamp != nil {
		r.find()
		return r.report(ctx, false)
	}
	r.markPause()
	switch rolled, err := r.rollBack(ctx); {
	case err != nil:
		return err
	case rolled:
		return nil // the Deployment has changed, and comes again
	}
	if d.Spec.Paused || r.isScaling() {
		return r.settle(ctx)
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return r.recreate(ctx)
	}
	return r.roll(ctx)
}

// settle scales the ReplicaSets in the proportion in which they are, and rolls
// nothing out.
func (r *rollout) settle(ctx context.Context) error {
	if err := r.prepare(ctx, false); err != nil {
		return err
	}
	if err := r.proportion(ctx); err != nil {
		return err
	}
	if r.Spec.Paused {
		if err := r.cleanUp(ctx); err != nil {
			return err
		}
	}
	return r.report(ctx, false)
}

// recreate lets all old pods go before it makes new ones.
func (r *rollout) recreate(ctx context.Context) error {
	if err := r.prepare(ctx, false); err != nil {
		return err
	}
	for i, rs := range r.old {
		if *rs.Spec.Replicas == 0 {
			continue
		}
		next, err := r.resize(ctx, rs, 0)
		if err != nil {
			return err
		}
		r.old[i] = next
	}
	if r.oldPodsRun() {
		return r.report(ctx, true)
	}
	if err := r.prepare(ctx, true); err != nil {
		return err
	}
	if _, err := r.resizeNow(ctx, *r.Spec.Replicas); err != nil {
		return err
	}
	if r.complete(&r.Status) {
		if err := r.cleanUp(ctx); err != nil {
			return err
		}
	}
	return r.report(ctx, true)
}

// oldPodsRun tells whether pods of old ReplicaSets still run.
func (r *rollout) oldPodsRun() bool {
	for _, rs := range r.old {
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		if err != nil {
			continue
		}
		for _, p := range r.Pods.ListOwned(rs.GetNamespace(), rs.GetUID(), selector) {
			if ref := metav1.GetControllerOfNoCopy(p); ref != nil && ref.UID == rs.UID && !pods.Over(p) {
				return true
			}
		}
	}
	return false
}

// resizeNow gives the new ReplicaSet a size.
func (r *rollout) resizeNow(ctx context.Context, n int32) (changed bool, err error) {
	if *r.now.Spec.Replicas == n && r.now.Annotations[desiredKey] == fmt.Sprint(*r.Spec.Replicas) {
		return false, nil
	}
	r.now, err = r.resize(ctx, r.now, n)
	return err == nil, err
}

// resize gives a ReplicaSet a size, and says in it which size the whole Deployment
// has.
func (r *rollout) resize(ctx context.Context, rs *appsv1.ReplicaSet, n int32) (*appsv1.ReplicaSet, error) {
	next := rs.DeepCopy()
	before := *next.Spec.Replicas
	changed := r.setSizes(next)
	if before == n && !changed {
		return rs, nil
	}
	*next.Spec.Replicas = n
	if err := r.Client.Update(ctx, replicaSets, next); err != nil {
		return rs, err
	}
	r.sets.CatchUp(ctx, next)
	if before != n {
		direction := "down"
		if n > before {
			direction = "up"
		}
		r.Events.Event(r.Deployment, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", direction, rs.Name, before, n)
	}
	r.replace(next)
	return next, nil
}

// replace puts the newer state of a ReplicaSet into the list.
func (r *rollout) replace(rs *appsv1.ReplicaSet) {
	for i := range r.all {
		if r.all[i].UID == rs.UID {
			r.all[i] = rs
		}
	}
}

// cleanUp deletes the oldest revisions that are more than the history keeps.
func (r *rollout) cleanUp(ctx context.Context) error {
	if r.Spec.RevisionHistoryLimit == nil {
		return nil
	}
	kept := slices.DeleteFunc(slices.Clone(r.old), func(rs *appsv1.ReplicaSet) bool { return rs.DeletionTimestamp != nil })
	slices.SortStableFunc(kept, func(a, b *appsv1.ReplicaSet) int { return int(revisionOf(a.Annotations) - revisionOf(b.Annotations)) })
	for _, rs := range kept[:max(len(kept)-int(*r.Spec.RevisionHistoryLimit), 0)] {
		if rs.Status.Replicas != 0 || *rs.Spec.Replicas != 0 || rs.Generation > rs.Status.ObservedGeneration {
			continue
		}
		if err := workload.Delete(ctx, r.Deps, replicaSets, rs); err != nil {
			return err
		}
	}
	return nil
}

// report writes the status, and how the rollout is going if it is.
func (r *rollout) report(ctx context.Context, rolling bool) error {
	status := r.status()
	if rolling {
		if left := r.progress(&status); left > 0 {
			r.Queue.AddAfter(loop.Key(r.Deployment), left)
		}
	}
	if sameStatus(&r.seen, &status) {
		return nil
	}
	r.Status = status
	err := r.Client.UpdateSubresource(ctx, kind.Resource, "status", r.Deployment)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
