// Package replicaset keeps as many pods as ReplicaSets want, and as
// ReplicationControllers want, which are the same under an older name.
// https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
package replicaset

import (
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// family is a kind of object that wants a number of pods, seen as ReplicaSets.
type family[T scheme.Object] struct {
	workload.Kind
	// component is who events are of.
	component string
	// set gives the object as a ReplicaSet, which shares its parts.
	set func(obj T) *appsv1.ReplicaSet
	// with gives a copy of the object with another status.
	with func(obj T, status *appsv1.ReplicaSetStatus) T
}

var sets = family[*appsv1.ReplicaSet]{
	Kind: workload.Kind{
		GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Resource:         appsv1.SchemeGroupVersion.WithResource("replicasets"),
	},
	component: "replicaset-controller",
	set:       func(rs *appsv1.ReplicaSet) *appsv1.ReplicaSet { return rs },
	with: func(rs *appsv1.ReplicaSet, status *appsv1.ReplicaSetStatus) *appsv1.ReplicaSet {
		next := rs.DeepCopy()
		next.Status = *status
		return next
	},
}

// burst bounds the pods that are made or deleted in one go.
const burst = 500

type controller[T scheme.Object] struct {
	*workload.Controller[T]
	family[T]
}

// New gives the loop replicaset-controller.
func New(d loop.Deps) func(context.Context) error { return run(d, sets) }

// NewControllers gives the loop replicationcontroller-controller.
func NewControllers(d loop.Deps) func(context.Context) error { return run(d, controllers) }

func run[T scheme.Object](d loop.Deps, f family[T]) func(context.Context) error {
	c := &controller[T]{workload.New[T](d, f.Kind, f.component), f}
	selector := func(obj T) (labels.Selector, error) {
		return metav1.LabelSelectorAsSelector(f.set(obj).Spec.Selector)
	}
	return func(ctx context.Context) error { return c.Run(ctx, c.sync, c.FollowPods(selector)) }
}

// sync makes or deletes pods of a ReplicaSet and says how it is.
func (c *controller[T]) sync(ctx context.Context, obj T) error {
	rs := c.set(obj)
	selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
	if err != nil || selector.Empty() {
		return nil //nolint:nilerr // it would select everything or nothing: trying again does not help
	}
	all := c.Mine(obj, selector)
	owned, err := workload.Claim(ctx, c.Deps, workload.Pods, obj, c.family.GroupVersionKind, selector, workload.Without(all, pods.Over))
	if err != nil {
		return err
	}
	active := workload.Without(owned, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
	terminating := len(owned) - len(active)
	var failed *failure
	if rs.DeletionTimestamp == nil {
		active, failed = c.scale(ctx, obj, active, all)
	}
	left, err := c.report(ctx, obj, active, terminating, failed)
	if err != nil {
		return err
	}
	if left > 0 {
		c.Queue.AddAfter(loop.Key(obj), left)
	}
	if failed != nil {
		return failed.err
	}
	return nil
}

// failure is why pods could not be made or deleted.
type failure struct {
	reason string
	err    error
}

// scale makes the pods that are missing or deletes those that are too many, and
// gives the pods that there are then.
func (c *controller[T]) scale(ctx context.Context, obj T, active, all []*corev1.Pod) ([]*corev1.Pod, *failure) {
	switch diff := len(active) - int(*c.set(obj).Spec.Replicas); {
	case diff < 0:
		return c.create(ctx, obj, active, min(-diff, burst))
	case diff > 0:
		workload.SortForDeletion(active, all, c.Clock())
		n := min(diff, burst)
		errs := workload.AtOnce(n, func(i int) error {
			err := workload.Delete(ctx, c.Deps, workload.Pods, active[i])
			if err != nil {
				c.Events.Event(obj, corev1.EventTypeWarning, "FailedDelete", "Error deleting: %v", err)
				return err
			}
			c.Events.Event(obj, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", active[i].Name)
			return nil
		})
		for _, err := range errs {
			if err != nil {
				return active, &failure{"FailedDelete", err}
			}
		}
		return active[n:], nil
	}
	return active, nil
}

func (c *controller[T]) create(ctx context.Context, obj T, active []*corev1.Pod, n int) ([]*corev1.Pod, *failure) {
	made := make([]*corev1.Pod, n)
	_, err := workload.SlowStart(n, func(i int) error {
		p := workload.NewPod(&c.set(obj).Spec.Template, obj, c.family.GroupVersionKind)
		if err := c.Client.Create(ctx, workload.Pods, obj.GetNamespace(), p); err != nil {
			if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				c.Events.Event(obj, corev1.EventTypeWarning, "FailedCreate", "Error creating: %v", err)
			}
			return err
		}
		c.Pods.CatchUp(ctx, p)
		c.Events.Event(obj, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
		made[i] = p
		return nil
	})
	for _, p := range made {
		if p != nil {
			active = append(active, p)
		}
	}
	if err != nil {
		return active, &failure{"FailedCreate", err}
	}
	return active, nil
}

// report writes the status and tells when a pod will be available that only lacks
// time.
func (c *controller[T]) report(ctx context.Context, obj T, active []*corev1.Pod, terminating int, failed *failure) (left time.Duration, err error) {
	rs := c.set(obj)
	status := appsv1.ReplicaSetStatus{
		Replicas: int32(len(active)), ObservedGeneration: rs.Generation, TerminatingReplicas: ptr.To(int32(terminating)), //nolint:gosec // counts of pods
		Conditions: rs.DeepCopy().Status.Conditions,
	}
	template := labels.SelectorFromSet(rs.Spec.Template.Labels)
	for _, p := range active {
		if template.Matches(labels.Set(p.Labels)) {
			status.FullyLabeledReplicas++
		}
		if pods.Ready(p) {
			status.ReadyReplicas++
		}
		available, wait := pods.Available(p, time.Duration(rs.Spec.MinReadySeconds)*time.Second, c.Clock())
		if available {
			status.AvailableReplicas++
		} else if wait > 0 && (left == 0 || wait < left) {
			left = wait
		}
	}
	c.mark(&status, failed)
	next := c.with(obj, &status)
	if equality.Semantic.DeepEqual(rs.Status, c.set(next).Status) {
		return left, nil
	}
	if err := c.Client.UpdateSubresource(ctx, c.family.Resource, "status", next); err != nil {
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		return 0, err
	}
	return left, nil
}

// mark says in a condition that pods cannot be made or deleted, and takes it away
// when they can.
func (c *controller[T]) mark(status *appsv1.ReplicaSetStatus, failed *failure) {
	i := -1
	for j := range status.Conditions {
		if status.Conditions[j].Type == appsv1.ReplicaSetReplicaFailure {
			i = j
		}
	}
	switch {
	case failed == nil && i >= 0:
		status.Conditions = append(status.Conditions[:i:i], status.Conditions[i+1:]...)
	case failed != nil && i < 0:
		status.Conditions = append(status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: failed.reason, Message: failed.err.Error(),
			LastTransitionTime: metav1.NewTime(c.Clock()),
		})
	}
}
