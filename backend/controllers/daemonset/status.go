package daemonset

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// report writes the status.
func (d *daemons) report(ctx context.Context, read *appsv1.DaemonSet) error {
	s := appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, CollisionCount: d.Status.CollisionCount, Conditions: d.Status.Conditions}
	for _, n := range d.nodes {
		run, _ := d.isFor(n)
		list := d.pods[n.Name]
		switch {
		case run:
			s.DesiredNumberScheduled++
			if len(list) == 0 {
				continue
			}
			s.CurrentNumberScheduled++
			p := list[0] // the oldest is the one that counts
			if pods.Ready(p) {
				s.NumberReady++
				if d.available(p) {
					s.NumberAvailable++
				}
			}
			if fresh, _, ok := d.pair(n.Name); ok && fresh != nil {
				s.UpdatedNumberScheduled++
			}
		case len(list) > 0:
			s.NumberMisscheduled++
		}
	}
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
	if d.wait > 0 {
		d.Queue.AddAfter(loop.Key(d.DaemonSet), d.wait)
	}
	if equality.Semantic.DeepEqual(read.Status, s) {
		return nil
	}
	d.Status = s
	err := d.Client.UpdateSubresource(ctx, kind.Resource, "status", d.DaemonSet)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
