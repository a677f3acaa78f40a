package controllers

import (
	"context"
	"encoding/json"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corehelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// taintEviction deletes pods from nodes whose NoExecute taints they do not
// tolerate, or not any longer. Nodes without a Lease are left alone: no kubelet
// is there to end their pods.
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
type taintEviction struct {
	Deps
	recorder *client.Recorder
	nodes    *informer.Informer[*corev1.Node]
	queue    *loop.Queue[types.NamespacedName]
	again    *loop.Queue[string]
}

func newTaintEviction(d Deps) func(context.Context) error {
	c := &taintEviction{Deps: d, recorder: d.Client.NewRecorder("taint-eviction-controller", "", d.Clock), queue: loop.NewQueue[types.NamespacedName]("noexec_taint_pod"), again: loop.NewQueue[string]("noexec_taint_node")}
	c.nodes = informer.New(d.Shared, nodes, "", func() *corev1.Node { return &corev1.Node{} }).OnChange(func(_, n *corev1.Node) {
		if n != nil && len(evicting(n)) > 0 {
			c.again.Add(n.Name)
		}
	})
	return func(ctx context.Context) error {
		return loop.Together(ctx, c.nodes.Run, c.recorder.Run,
			func(ctx context.Context) error { return c.again.Work(ctx, 1, c.node) },
			func(ctx context.Context) error { return c.queue.Work(ctx, 2, c.pod) })
	}
}

func evicting(n *corev1.Node) []corev1.Taint {
	var out []corev1.Taint
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoExecute {
			out = append(out, t)
		}
	}
	return out
}

// node looks at all pods of a node, again while it is tainted: pods may come
// that were bound by name.
func (c *taintEviction) node(ctx context.Context, name string) error {
	n, ok := c.nodes.Get("", name)
	if !ok || len(evicting(n)) == 0 {
		return nil
	}
	var speaks coordinationv1.LeaseList
	if err := c.Shared.List(ctx, leases, corev1.NamespaceNodeLease, metav1.ListOptions{FieldSelector: "metadata.name=" + name}, &speaks); err != nil || len(speaks.Items) == 0 {
		return err
	}
	var list corev1.PodList
	if err := c.Shared.List(ctx, pods, "", metav1.ListOptions{FieldSelector: "spec.nodeName=" + name}, &list); err != nil {
		return err
	}
	for i := range list.Items {
		c.queue.Add(types.NamespacedName{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name})
	}
	c.again.AddAfter(name, nodeCheckPeriod)
	return nil
}

func (c *taintEviction) pod(ctx context.Context, key types.NamespacedName) error {
	var p corev1.Pod
	if err := c.Shared.Get(ctx, pods, key.Namespace, key.Name, &p); err != nil {
		return ignoreNotFound(err)
	}
	n, ok := c.nodes.Get("", p.Spec.NodeName)
	if !ok || p.DeletionTimestamp != nil {
		return nil
	}
	at, goes := evictionTime(&p, evicting(n), c.Clock())
	switch left := at.Sub(c.Clock()); {
	case !goes:
		return nil
	case left > 0:
		return nil // the node is looked at again
	}
	c.recorder.Event(&p, corev1.EventTypeNormal, "TaintManagerEviction", "Marking for deletion Pod %s", key)
	condition := corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByTaintManager",
		Message: "Taint manager: deleting due to NoExecute taint", LastTransitionTime: metav1.NewTime(c.Clock()), ObservedGeneration: p.Generation,
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.PodCondition{condition}}})
	if err != nil {
		return err
	}
	if err := c.Client.Patch(ctx, pods, p.Namespace, p.Name, "status", types.StrategicMergePatchType, patch, nil); err != nil {
		return ignoreNotFound(err)
	}
	return ignoreNotFound(c.Client.Delete(ctx, pods, p.Namespace, p.Name, &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))}))
}

// evictionTime is when a pod must leave a node with these taints; false when it
// may stay.
func evictionTime(p *corev1.Pod, taints []corev1.Taint, now time.Time) (time.Time, bool) {
	var at time.Time
	goes := false
	for i := range taints {
		t := &taints[i]
		added := now
		if t.TimeAdded != nil {
			added = t.TimeAdded.Time
		}
		until, ever := added, false
		for j := range p.Spec.Tolerations {
			one := p.Spec.Tolerations[j : j+1]
			if !corehelper.TolerationsTolerateTaint(klog.Background(), one, t, true) {
				continue
			}
			if one[0].TolerationSeconds == nil {
				ever = true
				break
			}
			if end := added.Add(time.Duration(max(0, *one[0].TolerationSeconds)) * time.Second); end.After(until) {
				until = end
			}
		}
		if !ever && (!goes || until.Before(at)) {
			at, goes = until, true
		}
	}
	return at, goes
}
