package deployment

import (
	"context"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// bounds give how many pods may be more and how many may be missing while a
// Deployment rolls. Not both are zero: it would not move.
func (r *rollout) bounds() (surge, missing int32) {
	u := r.Spec.Strategy.RollingUpdate
	if r.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || *r.Spec.Replicas == 0 || u == nil {
		return 0, 0
	}
	of := func(v *intstr.IntOrString, up bool) int32 {
		n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, intstr.FromInt32(0)), int(*r.Spec.Replicas), up)
		if err != nil {
			return 0
		}
		return int32(n) //nolint:gosec // a part of an int32
	}
	surge, missing = of(u.MaxSurge, true), of(u.MaxUnavailable, false)
	if surge == 0 && missing == 0 {
		missing = 1
	}
	return surge, min(missing, *r.Spec.Replicas)
}

func (r *rollout) maxSurge() int32 {
	surge, _ := r.bounds()
	return surge
}

func sizes(sets []*appsv1.ReplicaSet) (n int32) {
	for _, rs := range sets {
		n += *rs.Spec.Replicas
	}
	return n
}

func available(sets []*appsv1.ReplicaSet) (n int32) {
	for _, rs := range sets {
		n += rs.Status.AvailableReplicas
	}
	return n
}

// everySet gives all ReplicaSets, as they are now.
func (r *rollout) everySet() []*appsv1.ReplicaSet {
	if r.now == nil {
		return r.old
	}
	return append(slices.Clone(r.old), r.now)
}

// sizeOfNew is how large the new ReplicaSet may be now.
func (r *rollout) sizeOfNew() (int32, error) {
	want := *r.Spec.Replicas
	if r.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return want, nil
	}
	have := int32(0)
	if r.now != nil {
		have = *r.now.Spec.Replicas
	}
	room := want + r.maxSurge() - sizes(r.everySet())
	if room <= 0 {
		return have, nil
	}
	return have + min(room, want-have), nil
}

// roll takes one step: more new pods as long as there may be more, or fewer old
// ones as long as enough are available.
func (r *rollout) roll(ctx context.Context) error {
	if err := r.prepare(ctx, true); err != nil {
		return err
	}
	r.find()
	grown, err := r.grow(ctx)
	if err != nil {
		return err
	}
	if !grown {
		shrunk, err := r.shrink(ctx)
		if err != nil {
			return err
		}
		if !shrunk && r.complete(&r.Status) {
			if err := r.cleanUp(ctx); err != nil {
				return err
			}
		}
	}
	return r.report(ctx, true)
}

// grow makes the new ReplicaSet larger, or as small as the Deployment is.
func (r *rollout) grow(ctx context.Context) (bool, error) {
	switch {
	case *r.now.Spec.Replicas == *r.Spec.Replicas:
		return false, nil
	case *r.now.Spec.Replicas > *r.Spec.Replicas:
		return r.resizeNow(ctx, *r.Spec.Replicas)
	}
	size, err := r.sizeOfNew()
	if err != nil || size == *r.now.Spec.Replicas {
		return false, err
	}
	return r.resizeNow(ctx, size)
}

// shrink makes old ReplicaSets smaller: first by pods that are not available
// anyway, then by as many as may be missing.
func (r *rollout) shrink(ctx context.Context) (bool, error) {
	if sizes(r.old) == 0 {
		return false, nil
	}
	_, missing := r.bounds()
	least := *r.Spec.Replicas - missing
	notReady := *r.now.Spec.Replicas - r.now.Status.AvailableReplicas
	room := sizes(r.everySet()) - least - notReady
	if room <= 0 {
		return false, nil
	}
	slices.SortStableFunc(r.old, func(a, b *appsv1.ReplicaSet) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	unhealthy, err := r.shrinkBy(ctx, room, func(rs *appsv1.ReplicaSet) int32 { return *rs.Spec.Replicas - rs.Status.AvailableReplicas })
	if err != nil {
		return false, err
	}
	healthy, err := r.shrinkBy(ctx, available(r.everySet())-least, func(rs *appsv1.ReplicaSet) int32 { return *rs.Spec.Replicas })
	return unhealthy+healthy > 0, err
}

// shrinkBy takes at most n pods from the old ReplicaSets, from each as many as can
// allows.
func (r *rollout) shrinkBy(ctx context.Context, n int32, can func(*appsv1.ReplicaSet) int32) (done int32, err error) {
	for i, rs := range r.old {
		less := min(n-done, can(rs), *rs.Spec.Replicas)
		if less <= 0 {
			continue
		}
		if r.old[i], err = r.resize(ctx, rs, *rs.Spec.Replicas-less); err != nil {
			return done, err
		}
		done += less
	}
	return done, nil
}

// rollBack takes the template of an earlier revision, as the annotation asks that
// apps/v1 has in place of the field of old versions.
func (r *rollout) rollBack(ctx context.Context) (bool, error) {
	asked, ok := r.Annotations[rollBackKey]
	if !ok {
		return false, nil
	}
	delete(r.Annotations, rollBackKey)
	r.find()
	revision, err := strconv.ParseInt(asked, 10, 64)
	if err != nil {
		return true, r.Client.Update(ctx, kind.Resource, r.Deployment)
	}
	if revision == 0 {
		revision = r.lastRevision()
	}
	for _, rs := range r.all {
		if revision == 0 || revisionOf(rs.Annotations) != revision {
			continue
		}
		if sameTemplate(&rs.Spec.Template, &r.Spec.Template) {
			r.Events.Event(r.Deployment, corev1.EventTypeWarning, "DeploymentRollbackTemplateUnchanged", "The rollback revision contains the same template as current deployment %q", r.Name)
			return true, r.Client.Update(ctx, kind.Resource, r.Deployment)
		}
		r.Spec.Template = *rs.Spec.Template.DeepCopy()
		delete(r.Spec.Template.Labels, hashLabel)
		for k, v := range rs.Annotations {
			if !slices.Contains(ownKeys, k) {
				r.Annotations[k] = v
			}
		}
		r.Events.Event(r.Deployment, corev1.EventTypeNormal, "DeploymentRollback", "Rolled back deployment %q to revision %d", r.Name, revision)
		return true, r.Client.Update(ctx, kind.Resource, r.Deployment)
	}
	r.Events.Event(r.Deployment, corev1.EventTypeWarning, "DeploymentRollbackRevisionNotFound", "Unable to find the revision to rollback to.")
	return true, r.Client.Update(ctx, kind.Resource, r.Deployment)
}

// lastRevision is the one before the newest, zero when there is none.
func (r *rollout) lastRevision() (last int64) {
	var most int64
	for _, rs := range r.all {
		switch n := revisionOf(rs.Annotations); {
		case n > most:
			last, most = most, n
		case n > last:
			last = n
		}
	}
	return last
}
