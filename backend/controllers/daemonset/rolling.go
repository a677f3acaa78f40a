package daemonset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// bounds give on how many nodes a second pod may run, and on how many none, while
// the set rolls. Not both are zero.
func (d *daemons) bounds() (surge, missing int) {
	u := d.Spec.UpdateStrategy.RollingUpdate
	if d.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType || u == nil {
		return 0, 0
	}
	wanted := 0
	for _, n := range d.nodes {
		if run, _ := d.isFor(n); run {
			wanted++
		}
	}
	of := func(v *intstr.IntOrString, otherwise int32) int {
		n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, intstr.FromInt32(otherwise)), wanted, true)
		if err != nil {
			return 0
		}
		return n
	}
	surge, missing = of(u.MaxSurge, 0), of(u.MaxUnavailable, 1)
	if surge == 0 && missing == 0 {
		missing = 1
	}
	return surge, missing
}

// roll takes one step from old pods to new ones.
func (d *daemons) roll(ctx context.Context) error {
	surge, missing := d.bounds()
	if surge == 0 {
		return d.replace(ctx, missing)
	}
	return d.surge(ctx, surge)
}

// pair gives the new and the old pod of a node that are not on their way out;
// false when there are more than one of a kind, which manage mends.
func (d *daemons) pair(node string) (fresh, old *corev1.Pod, ok bool) {
	for _, p := range d.pods[node] {
		if p.DeletionTimestamp != nil {
			continue
		}
		which := &old
		if d.isNew(p) {
			which = &fresh
		}
		if *which != nil {
			return nil, nil, false
		}
		*which = p
	}
	return fresh, old, true
}

// replace deletes old pods as long as not too many nodes are without one: those
// that are not available first, which nobody misses.
func (d *daemons) replace(ctx context.Context, most int) error {
	missing := 0
	var go1, go2 []*corev1.Pod
	for _, n := range d.nodes {
		if run, _ := d.isFor(n); !run {
			continue
		}
		fresh, old, ok := d.pair(n.Name)
		switch {
		case !ok || fresh == nil && old == nil:
			missing++
		case fresh != nil:
			if !d.available(fresh) {
				missing++
			}
		case !d.available(old):
			missing++
			go1 = append(go1, old)
		default:
			go2 = append(go2, old)
		}
	}
	room := min(max(most-missing, 0), len(go2))
	return d.delete(ctx, append(go1, go2[:room]...))
}

// surge makes new pods beside old ones, and deletes those that have one that is
// available.
func (d *daemons) surge(ctx context.Context, most int) error {
	surged := 0
	var done []*corev1.Pod
	var make1, make2 []string
	for _, n := range d.nodes {
		if run, _ := d.isFor(n); !run {
			continue
		}
		fresh, old, ok := d.pair(n.Name)
		switch {
		case !ok:
			surged++
		case old == nil:
		case fresh == nil && !d.available(old):
			make1 = append(make1, n.Name)
		case fresh == nil:
			make2 = append(make2, n.Name)
		case d.available(fresh):
			done = append(done, old)
		default:
			surged++
		}
	}
	if err := d.delete(ctx, done); err != nil {
		return err
	}
	room := min(max(most-surged, 0), len(make2))
	return d.create(ctx, append(make1, make2[:room]...))
}
