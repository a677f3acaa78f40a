package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

var deleting = []byte(`"deletionTimestamp"`)

var nodes = corev1.SchemeGroupVersion.WithResource("nodes")

// Kubernetes' numbers: so many pods that have ended are kept, they are counted
// and unscheduled ones looked at so often, and a node must be gone so long.
const (
	keepEndedPods  = 12500
	podCheckPeriod = 20 * time.Second
	nodeQuarantine = 40 * time.Second
)

// removers is how many pods are removed at the same time: most of that is waiting
// for the disk, and that they do together.
const removers = 16

// podCollector removes pods that nobody else will: ended ones when there are too
// many, those of a node that went away, those that are being deleted and never
// had a node. A node counts as gone only when it was seen before: pods may be
// bound to a name that no node has registered under yet.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
type podCollector struct {
	Deps
	nodes *loop.Queue[string]
	pods  *loop.Queue[types.NamespacedName]
	ended atomic.Bool // a pod has ended since the last count
	keep  int
}

func newPodCollector(d Deps) func(context.Context) error {
	c := &podCollector{Deps: d, nodes: loop.NewQueue[string]("orphaned_pods_nodes"), pods: loop.NewQueue[types.NamespacedName]("unscheduled_pods"), keep: keepEndedPods}
	pods := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "pods"), Event: c.pod}
	gone := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "nodes"), Event: func(_ *registry.Store, e *watchcache.Event) {
		switch {
		case e.Type == watchcache.Deleted:
			c.nodes.AddAfter(e.Object.Name, nodeQuarantine)
		case outOfService(e.Object):
			c.nodes.Add(e.Object.Name)
		}
	}}
	return func(ctx context.Context) error {
		return loop.Together(ctx, pods.Run, gone.Run, c.count,
			func(ctx context.Context) error { return c.nodes.Work(ctx, 1, c.orphaned) },
			func(ctx context.Context) error { return c.pods.Work(ctx, removers, c.unscheduled) })
	}
}

// pod looks at a pod's fields and bytes only: most are of no interest.
func (c *podCollector) pod(store *registry.Store, e *watchcache.Event) {
	if e.Type == watchcache.Deleted {
		return
	}
	if hasEnded(store, e.Object) {
		c.ended.Store(true)
	}
	if !bytes.Contains(e.Object.Raw, deleting) {
		return
	}
	node := loop.Field(store, e.Object, "spec.nodeName")
	if node == "" {
		c.pods.AddAfter(loop.NameOf(e.Object), podCheckPeriod)
	} else if o := loop.Peek(c.Registry, "", "nodes", "", node); o != nil && outOfService(o) {
		c.nodes.Add(node)
	}
}

// outOfService tells whether somebody may have said of a node that it is shut down
// and that its pods can go.
func outOfService(node *watchcache.Object) bool {
	return bytes.Contains(node.Raw, []byte(corev1.TaintNodeOutOfService))
}

func hasEnded(store *registry.Store, o *watchcache.Object) bool {
	phase := corev1.PodPhase(loop.Field(store, o, "status.phase"))
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

// count removes ended pods beyond those that are kept, evicted ones first, then
// the oldest.
func (c *podCollector) count(ctx context.Context) error {
	for ctx.Err() == nil {
		if c.ended.Swap(false) {
			err := loop.Each(ctx, removers, c.tooMany(), func(ctx context.Context, p *corev1.Pod) error {
				err := c.remove(ctx, p, nil)
				if err != nil {
					klog.ErrorS(err, "Ended pod cannot be removed", "pod", klog.KObj(p))
				}
				return err
			})
			if err != nil {
				c.ended.Store(true)
			}
		}
		loop.Wait(ctx, podCheckPeriod)
	}
	return ctx.Err()
}

// podsThat decodes the pods that a filter lets through.
func (c *podCollector) podsThat(want func(*registry.Store, *watchcache.Object) bool) []*corev1.Pod {
	store := c.Registry.Store("", "pods")
	if store == nil {
		return nil
	}
	var out []*corev1.Pod
	store.Each("", func(o *watchcache.Object) bool {
		if !want(store, o) {
			return true
		}
		if obj, err := store.Decode(o); err == nil {
			out = append(out, obj.(*corev1.Pod))
		}
		return true
	})
	return out
}

func (c *podCollector) tooMany() []*corev1.Pod {
	store, n := c.Registry.Store("", "pods"), 0
	if store == nil {
		return nil
	}
	store.Each("", func(o *watchcache.Object) bool {
		if hasEnded(store, o) {
			n++
		}
		return true
	})
	if n <= c.keep {
		return nil
	}
	ended := c.podsThat(hasEnded)
	slices.SortFunc(ended, func(a, b *corev1.Pod) int {
		if x, y := a.Status.Reason == "Evicted", b.Status.Reason == "Evicted"; x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return ended[:max(len(ended)-c.keep, 0)]
}

// orphaned removes the pods of a node that has stayed away, and those that are
// being deleted of one that is out of service.
// https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown
func (c *podCollector) orphaned(ctx context.Context, name string) error {
	var node corev1.Node
	switch err := c.Client.Get(ctx, nodes, "", name, &node); {
	case apierrors.IsNotFound(err):
		return c.removeAll(ctx, name, goneCondition, func(*corev1.Pod) bool { return true })
	case err != nil:
		return err
	}
	tainted := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
	ready := slices.ContainsFunc(node.Status.Conditions, func(k corev1.NodeCondition) bool {
		return k.Type == corev1.NodeReady && k.Status == corev1.ConditionTrue
	})
	if !tainted || ready {
		return nil
	}
	return c.removeAll(ctx, name, nil, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

var goneCondition = &corev1.PodCondition{
	Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC", Message: "PodGC: node no longer exists",
}

// removeAll removes the pods of a node that want chooses.
func (c *podCollector) removeAll(ctx context.Context, node string, condition *corev1.PodCondition, want func(*corev1.Pod) bool) error {
	all := c.podsThat(func(s *registry.Store, o *watchcache.Object) bool { return loop.Field(s, o, "spec.nodeName") == node })
	return loop.Each(ctx, removers, slices.DeleteFunc(all, func(p *corev1.Pod) bool { return !want(p) }), func(ctx context.Context, p *corev1.Pod) error {
		return c.remove(ctx, p, condition)
	})
}

// unscheduled removes a pod that is being deleted and on no node.
func (c *podCollector) unscheduled(ctx context.Context, key types.NamespacedName) error {
	store := c.Registry.Store("", "pods")
	if store == nil {
		return nil
	}
	o := store.Peek(key.Namespace, key.Name)
	if o == nil {
		return nil
	}
	obj, err := store.Decode(o)
	if err != nil {
		return err
	}
	if p := obj.(*corev1.Pod); p.DeletionTimestamp != nil && p.Spec.NodeName == "" {
		return c.remove(ctx, p, nil)
	}
	return nil
}

// remove says that a pod has failed, if it has not ended, and deletes it at once.
func (c *podCollector) remove(ctx context.Context, p *corev1.Pod, condition *corev1.PodCondition) error {
	if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		status := map[string]any{"phase": corev1.PodFailed, "observedGeneration": p.Generation}
		if condition != nil {
			now := *condition
			now.LastTransitionTime, now.ObservedGeneration = metav1.NewTime(c.Clock()), p.Generation
			status["conditions"] = []corev1.PodCondition{now}
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID}, "status": status})
		if err != nil {
			return fmt.Errorf("encode a pod's status: %w", err)
		}
		if err := c.Client.Patch(ctx, pods, p.Namespace, p.Name, "status", types.StrategicMergePatchType, patch, nil); err != nil {
			return ignoreNotFound(err)
		}
	}
	klog.V(2).InfoS("Pod is collected", "pod", klog.KObj(p), "node", p.Spec.NodeName)
	return ignoreNotFound(c.Client.Delete(ctx, pods, p.Namespace, p.Name, &metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(p.UID)),
	}))
}
