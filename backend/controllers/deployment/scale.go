package deployment

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
)

// isScaling tells whether the size of the Deployment has changed since its
// ReplicaSets were made as large as they are.
func (r *rollout) isScaling() bool {
	r.find()
	for _, rs := range r.everySet() {
		if *rs.Spec.Replicas == 0 {
			continue
		}
		if n, ok := numberIn(rs, desiredKey); ok && n != *r.Spec.Replicas {
			return true
		}
	}
	return false
}

func numberIn(rs *appsv1.ReplicaSet, key string) (int32, bool) {
	n, err := strconv.ParseInt(rs.Annotations[key], 10, 32)
	return int32(n), err == nil //nolint:gosec // parsed as 32 bits
}

// proportion gives the ReplicaSets their sizes: one alone that of the Deployment,
// several that run at once each a share of what has been added or taken away.
func (r *rollout) proportion(ctx context.Context) error {
	active := slices.DeleteFunc(slices.Clone(r.everySet()), func(rs *appsv1.ReplicaSet) bool { return *rs.Spec.Replicas == 0 })
	switch {
	case len(active) <= 1:
		return r.only(ctx, active)
	case r.now != nil && saturated(r, r.now):
		for i, rs := range r.old {
			next, err := r.resize(ctx, rs, 0)
			if err != nil {
				return err
			}
			r.old[i] = next
		}
		return nil
	case r.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType:
		return nil
	}
	return r.share(ctx, active)
}

// only scales the one ReplicaSet that runs, or would.
func (r *rollout) only(ctx context.Context, active []*appsv1.ReplicaSet) error {
	var one *appsv1.ReplicaSet
	switch {
	case len(active) == 1:
		one = active[0]
	case r.now != nil:
		one = r.now
	case len(r.old) > 0:
		one = slices.MaxFunc(r.old, func(a, b *appsv1.ReplicaSet) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	default:
		return nil
	}
	_, err := r.resize(ctx, one, *r.Spec.Replicas)
	r.find()
	return err
}

// saturated tells whether a ReplicaSet has all pods of the Deployment, available.
func saturated(r *rollout, rs *appsv1.ReplicaSet) bool {
	desired, ok := numberIn(rs, desiredKey)
	return ok && *rs.Spec.Replicas == *r.Spec.Replicas && desired == *r.Spec.Replicas && rs.Status.AvailableReplicas == *r.Spec.Replicas
}

// share adds to or takes from ReplicaSets, the largest first and the newer of two
// that are equal first when pods are added.
func (r *rollout) share(ctx context.Context, active []*appsv1.ReplicaSet) error {
	allowed := int32(0)
	if *r.Spec.Replicas > 0 {
		allowed = *r.Spec.Replicas + r.maxSurge()
	}
	add := allowed - sizes(active)
	slices.SortStableFunc(active, func(a, b *appsv1.ReplicaSet) int {
		n := cmp.Compare(*b.Spec.Replicas, *a.Spec.Replicas)
		if n == 0 {
			n = a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
			if add > 0 {
				n = -n
			}
		}
		return n
	})
	size, added := make([]int32, len(active)), int32(0)
	for i, rs := range active {
		size[i] = *rs.Spec.Replicas
		if add != 0 {
			part := r.part(rs, add, added)
			size[i], added = size[i]+part, added+part
		}
	}
	if rest := add - added; add != 0 && len(size) > 0 {
		size[0] = max(size[0]+rest, 0) // what rounding has left goes to the largest
	}
	for i, rs := range active {
		if _, err := r.resize(ctx, rs, size[i]); err != nil {
			return err
		}
	}
	r.find()
	return nil
}

// part is the share of a ReplicaSet in add, of which added is given already.
func (r *rollout) part(rs *appsv1.ReplicaSet, add, added int32) int32 {
	if *rs.Spec.Replicas == 0 || add == 0 || add == added {
		return 0
	}
	most, ok := numberIn(rs, mostKey)
	if !ok || most == 0 {
		most = r.Status.Replicas
	}
	if most == 0 {
		return 0
	}
	allowed := *r.Spec.Replicas + r.maxSurge()
	if *r.Spec.Replicas == 0 {
		return max(-*rs.Spec.Replicas, add-added)
	}
	size := int32(math.Round(float64(*rs.Spec.Replicas) * float64(allowed) / float64(most)))
	part := size - *rs.Spec.Replicas
	if add > 0 {
		return min(part, add-added)
	}
	return max(part, add-added)
}
