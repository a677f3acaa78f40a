// Package disruption says in the status of PodDisruptionBudgets how many pods
// may be evicted: the eviction subresource, and so a drain of a node, goes by it.
// https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
// Read disruption.go first, then expected.go.
package disruption

import (
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/watchcache"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

var kind = workload.Kind{
	GroupVersionKind: policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
	Resource:         policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
}

// evictedWithin is how long an evicted pod counts as gone though it is still
// there; staleAfter is when a pod that was to be disrupted and was not loses the
// condition that says so.
const (
	evictedWithin = 2 * time.Minute
	staleAfter    = 2 * time.Minute
)

type controller struct {
	*workload.Controller[*policyv1.PodDisruptionBudget]
	replicaSets  *loop.View[*appsv1.ReplicaSet]
	deployments  *loop.View[*appsv1.Deployment]
	statefulSets *loop.View[*appsv1.StatefulSet]
	controllers  *loop.View[*corev1.ReplicationController]
	stale        *loop.Queue[types.NamespacedName]
}

// New gives the loop disruption-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{
		Controller:   workload.New[*policyv1.PodDisruptionBudget](d, kind, "controllermanager"),
		replicaSets:  loop.NewView[*appsv1.ReplicaSet](d, appsv1.GroupName, "replicasets"),
		deployments:  loop.NewView[*appsv1.Deployment](d, appsv1.GroupName, "deployments"),
		statefulSets: loop.NewView[*appsv1.StatefulSet](d, appsv1.GroupName, "statefulsets"),
		controllers:  loop.NewView[*corev1.ReplicationController](d, "", "replicationcontrollers"),
		stale:        loop.NewQueue[types.NamespacedName]("stale disruptions"),
	}
	// The other views' followers only keep them from remembering what is gone.
	forget := func(_, _ *watchcache.Object, _ bool) {}
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, c.Pods.Follower(d, c.podChanged).Run,
			c.replicaSets.Follower(d, forget).Run, c.deployments.Follower(d, forget).Run,
			c.statefulSets.Follower(d, forget).Run, c.controllers.Follower(d, forget).Run,
			func(ctx context.Context) error { return c.stale.Work(ctx, 1, c.calm) })
	}
}

// podChanged adds the budgets that choose a pod, or did before.
func (c *controller) podChanged(current, previous *watchcache.Object, gone bool) {
	for _, b := range c.Objects.List(current.Namespace, labels.Everything(), nil) {
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && (s.Matches(current.Labels) || previous != nil && s.Matches(previous.Labels)) {
			c.Queue.Add(loop.Key(b))
		}
	}
	if !gone && mentionsDisruption(current) {
		c.stale.Add(loop.NameOf(current))
	}
}

// sync counts the pods of a budget and says how many of them may go.
func (c *controller) sync(ctx context.Context, b *policyv1.PodDisruptionBudget) error {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return nil //nolint:nilerr // trying again does not help
	}
	chosen := c.Pods.List(b.Namespace, selector, nil)
	if len(chosen) == 0 {
		c.Events.Event(b, corev1.EventTypeNormal, "NoPods", "No matching pods found")
	}
	want, err := c.expected(ctx, b, chosen)
	if err != nil {
		c.Events.Event(b, corev1.EventTypeWarning, "CalculateExpectedPodCountFailed", "Failed to calculate the number of expected pods: %v", err)
		if err := c.refuse(ctx, b, err); err != nil {
			return err
		}
		return err
	}
	if len(want.unmanaged) > 0 {
		c.Events.Event(b, corev1.EventTypeWarning, "UnmanagedPods", "Pods selected by this PodDisruptionBudget (selector: %v) were found "+
			"to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "+
			"To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.", selector)
	}
	now := c.Clock()
	leaving, next := c.leaving(b, chosen, now)
	status := *b.Status.DeepCopy()
	status.CurrentHealthy, status.DesiredHealthy, status.ExpectedPods = healthy(chosen, leaving), want.healthy, want.pods
	status.DisruptionsAllowed = max(status.CurrentHealthy-want.healthy, 0)
	if want.pods <= 0 {
		status.DisruptionsAllowed = 0
	}
	status.DisruptedPods, status.ObservedGeneration = leaving, b.Generation
	mark(&status, c.Clock())
	if next > 0 {
		c.Queue.AddAfter(loop.Key(b), next)
	}
	return c.write(ctx, b, status)
}

// mark puts into the conditions whether a disruption is allowed.
func mark(s *policyv1.PodDisruptionBudgetStatus, now time.Time) {
	k := metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.InsufficientPodsReason,
		ObservedGeneration: s.ObservedGeneration, LastTransitionTime: metav1.NewTime(now),
	}
	if s.DisruptionsAllowed > 0 {
		k.Status, k.Reason = metav1.ConditionTrue, policyv1.SufficientPodsReason
	}
	meta.SetStatusCondition(&s.Conditions, k)
}

// refuse lets nothing go while nobody knows how many pods there should be.
func (c *controller) refuse(ctx context.Context, b *policyv1.PodDisruptionBudget, why error) error {
	status := *b.Status.DeepCopy()
	status.DisruptionsAllowed, status.ObservedGeneration = 0, b.Generation
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason, Message: why.Error(),
		ObservedGeneration: b.Generation, LastTransitionTime: metav1.NewTime(c.Clock()),
	})
	return c.write(ctx, b, status)
}

func (c *controller) write(ctx context.Context, b *policyv1.PodDisruptionBudget, status policyv1.PodDisruptionBudgetStatus) error {
	if equality.Semantic.DeepEqual(b.Status, status) {
		return nil
	}
	next := b.DeepCopy()
	next.Status = status
	err := c.Client.UpdateSubresource(ctx, kind.Resource, "status", next)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// leaving gives the pods that were evicted a short time ago and are still there
// as if nobody had asked, and when the next of them counts again.
func (c *controller) leaving(b *policyv1.PodDisruptionBudget, chosen []*corev1.Pod, now time.Time) (out map[string]metav1.Time, next time.Duration) {
	for _, p := range chosen {
		evicted, was := b.Status.DisruptedPods[p.Name]
		if !was || p.DeletionTimestamp != nil {
			continue // it is really going, or nobody evicts it
		}
		left := evicted.Add(evictedWithin).Sub(now)
		if left <= 0 {
			c.Events.Event(p, corev1.EventTypeWarning, "NotDeleted", "Pod was expected by PDB %s/%s to be deleted but it wasn't", b.Namespace, b.Name)
			continue
		}
		if out == nil {
			out = map[string]metav1.Time{}
		}
		out[p.Name] = evicted
		if next == 0 || left < next {
			next = left
		}
	}
	return out, next
}

func healthy(chosen []*corev1.Pod, leaving map[string]metav1.Time) (n int32) {
	for _, p := range chosen {
		if _, goes := leaving[p.Name]; !goes && p.DeletionTimestamp == nil && pods.Ready(p) {
			n++
		}
	}
	return n
}
