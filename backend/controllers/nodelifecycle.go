package controllers

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// nodeGrace is how long a node's Lease may go without a change before the
	// node counts as gone: kube-controller-manager's --node-monitor-grace-period.
	nodeGrace = 50 * time.Second
	// nodeCheckPeriod is how often that is looked at.
	nodeCheckPeriod = 5 * time.Second
)

// nodeLifecycle keeps the taints of nodes in step with their conditions, and
// says of a node whose kubelet has fallen silent that nothing is known about it.
// It leaves nodes alone that never had a Lease: no kubelet speaks for them.
// https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
type nodeLifecycle struct {
	Deps
	recorder *client.Recorder
	nodes    *informer.Informer[*corev1.Node]
	leases   *informer.Informer[*coordinationv1.Lease]
	queue    *loop.Queue[string]

	mu   sync.Mutex
	seen map[string]time.Time // when a node's Lease changed last, by this clock
}

func newNodeLifecycle(d Deps) func(context.Context) error {
	c := &nodeLifecycle{Deps: d, recorder: d.Client.NewRecorder("node-controller", "", d.Clock), queue: loop.NewQueue[string]("node_lifecycle_controller"), seen: map[string]time.Time{}}
	c.leases = informer.New(d.Shared, leases, corev1.NamespaceNodeLease, func() *coordinationv1.Lease { return &coordinationv1.Lease{} }).OnChange(c.renewed)
	c.nodes = informer.New(d.Shared, nodes, "", func() *corev1.Node { return &corev1.Node{} }).OnChange(func(_, n *corev1.Node) {
		if n != nil {
			c.queue.Add(n.Name)
		}
	})
	return func(ctx context.Context) error {
		return loop.Together(ctx, c.leases.Run, c.nodes.Run, c.recorder.Run, c.check,
			func(ctx context.Context) error { return c.queue.Work(ctx, 1, c.sync) })
	}
}

func (c *nodeLifecycle) renewed(_, l *coordinationv1.Lease) {
	if l == nil {
		return
	}
	c.mu.Lock()
	_, known := c.seen[l.Name]
	c.seen[l.Name] = c.Clock()
	c.mu.Unlock()
	if !known {
		c.queue.Add(l.Name)
	}
}

// check looks at all nodes from time to time: silence is no event.
func (c *nodeLifecycle) check(ctx context.Context) error {
	for ctx.Err() == nil {
		loop.Wait(ctx, nodeCheckPeriod)
		c.mu.Lock()
		for name := range c.seen {
			if _, ok := c.nodes.Get("", name); ok {
				c.queue.Add(name)
			}
		}
		c.mu.Unlock()
	}
	return ctx.Err()
}

func (c *nodeLifecycle) sync(ctx context.Context, name string) error {
	n, ok := c.nodes.Get("", name)
	c.mu.Lock()
	last, speaks := c.seen[name]
	c.mu.Unlock()
	if !ok || !speaks {
		return nil
	}
	if c.Clock().Sub(last) > nodeGrace {
		if err := c.silent(ctx, n); err != nil {
			return ignoreNotFound(err)
		}
	}
	want := taintsOf(n)
	if slices.EqualFunc(want, n.Spec.Taints, func(a, b corev1.Taint) bool {
		return a.Key == b.Key && a.Value == b.Value && a.Effect == b.Effect
	}) {
		return nil
	}
	for i := range want {
		if want[i].Effect == corev1.TaintEffectNoExecute && want[i].TimeAdded == nil {
			now := metav1.NewTime(c.Clock())
			want[i].TimeAdded = &now
		}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": n.ResourceVersion},
		"spec":     map[string]any{"taints": want},
	})
	if err != nil {
		return err
	}
	err = c.Client.Patch(ctx, nodes, "", name, "", types.MergePatchType, patch, nil)
	if apierrors.IsConflict(err) {
		return nil // the newer node is on its way here
	}
	return ignoreNotFound(err)
}

// silent says that nothing is known about a node, and that its pods are not
// ready.
func (c *nodeLifecycle) silent(ctx context.Context, n *corev1.Node) error {
	now := metav1.NewTime(c.Clock())
	var changed []corev1.NodeCondition
	for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		i := slices.IndexFunc(n.Status.Conditions, func(k corev1.NodeCondition) bool { return k.Type == kind })
		if i < 0 || n.Status.Conditions[i].Status == corev1.ConditionUnknown {
			continue
		}
		k := n.Status.Conditions[i]
		k.Status, k.Reason, k.Message, k.LastTransitionTime = corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.", now
		changed = append(changed, k)
	}
	if len(changed) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": changed}})
	if err != nil {
		return err
	}
	if err := c.Client.Patch(ctx, nodes, "", n.Name, "status", types.StrategicMergePatchType, patch, nil); err != nil {
		return err
	}
	c.recorder.Event(n, corev1.EventTypeNormal, "NodeNotReady", "Node %s status is now: NodeNotReady", n.Name)
	return c.unready(ctx, n.Name)
}

// unready takes the pods of a silent node out of services.
func (c *nodeLifecycle) unready(ctx context.Context, node string) error {
	var list corev1.PodList
	if err := c.Shared.List(ctx, pods, "", metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}, &list); err != nil {
		return err
	}
	for i := range list.Items {
		p := &list.Items[i]
		k := slices.IndexFunc(p.Status.Conditions, func(k corev1.PodCondition) bool {
			return k.Type == corev1.PodReady && k.Status == corev1.ConditionTrue
		})
		if k < 0 {
			continue
		}
		ready := p.Status.Conditions[k]
		ready.Status, ready.Reason, ready.LastTransitionTime = corev1.ConditionFalse, "NodeNotReady", metav1.NewTime(c.Clock())
		patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.PodCondition{ready}}})
		if err != nil {
			return err
		}
		if err := c.Client.Patch(ctx, pods, p.Namespace, p.Name, "status", types.StrategicMergePatchType, patch, nil); ignoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// conditionTaints say which taint stands for which state of a condition.
var conditionTaints = []struct {
	condition corev1.NodeConditionType
	status    corev1.ConditionStatus
	key       string
	evicts    bool
}{
	{corev1.NodeReady, corev1.ConditionFalse, corev1.TaintNodeNotReady, true},
	{corev1.NodeReady, corev1.ConditionUnknown, corev1.TaintNodeUnreachable, true},
	{corev1.NodeMemoryPressure, corev1.ConditionTrue, corev1.TaintNodeMemoryPressure, false},
	{corev1.NodeDiskPressure, corev1.ConditionTrue, corev1.TaintNodeDiskPressure, false},
	{corev1.NodePIDPressure, corev1.ConditionTrue, corev1.TaintNodePIDPressure, false},
	{corev1.NodeNetworkUnavailable, corev1.ConditionTrue, corev1.TaintNodeNetworkUnavailable, false},
}

// taintsOf gives a node's taints as its conditions want them, those of others as
// they are.
func taintsOf(n *corev1.Node) []corev1.Taint {
	type kind struct {
		key    string
		effect corev1.TaintEffect
	}
	want := map[kind]bool{{corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule}: n.Spec.Unschedulable}
	for _, t := range conditionTaints {
		holds := slices.ContainsFunc(n.Status.Conditions, func(k corev1.NodeCondition) bool {
			return k.Type == t.condition && k.Status == t.status
		})
		want[kind{t.key, corev1.TaintEffectNoSchedule}] = holds
		if t.evicts {
			want[kind{t.key, corev1.TaintEffectNoExecute}] = holds
		}
	}
	var out []corev1.Taint
	for _, t := range n.Spec.Taints {
		k := kind{t.Key, t.Effect}
		if holds, ours := want[k]; !ours || holds {
			out = append(out, t)
		}
		delete(want, k)
	}
	var missing []corev1.Taint
	for k, holds := range want {
		if holds {
			missing = append(missing, corev1.Taint{Key: k.key, Effect: k.effect})
		}
	}
	slices.SortFunc(missing, func(a, b corev1.Taint) int {
		if a.Key+string(a.Effect) < b.Key+string(b.Effect) {
			return -1
		}
		return 1
	})
	return append(out, missing...)
}
