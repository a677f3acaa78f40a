// Package daemonset keeps one pod of a DaemonSet on every node that it is for. Read
// daemonset.go first, then nodes.go (which nodes those are), rolling.go and
// status.go.
// https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
package daemonset

import (
	"context"
	"errors"
	"slices"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"
	"pilothouse/backend/watchcache"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/ptr"
)

var kind = workload.Kind{
	GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
	Resource:         appsv1.SchemeGroupVersion.WithResource("daemonsets"),
}

const (
	// burst bounds the pods that are made or deleted in one go.
	burst = 250
	// The waits before a pod that failed on a node is replaced.
	firstWait, maxWait = time.Second, 15 * time.Minute
)

type controller struct {
	*workload.Controller[*appsv1.DaemonSet]
	nodes     *loop.View[*corev1.Node]
	revisions *loop.View[*appsv1.ControllerRevision]
	failing   *flowcontrol.Backoff // by set and node
}

// New gives the loop daemonset-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{
		Controller: workload.New[*appsv1.DaemonSet](d, kind, "daemonset-controller"),
		nodes:      loop.NewView[*corev1.Node](d, "", "nodes"),
		revisions:  loop.NewView[*appsv1.ControllerRevision](d, appsv1.GroupName, "controllerrevisions"),
		failing:    flowcontrol.NewBackOff(firstWait, maxWait),
	}
	nodes := c.nodes.Follower(d, func(now, before *watchcache.Object, gone bool) {
		if before != nil && !gone && sameForPods(now, before) {
			return
		}
		for _, ds := range c.Objects.List("", labels.Everything(), nil) {
			c.Queue.AddAfter(loop.Key(ds), nodesSettle)
		}
	})
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, c.FollowPods(selectorOf), nodes.Run,
			workload.FollowOwned(c.Controller, c.revisions, nil))
	}
}

// nodesSettle is how long changes of nodes are gathered: their status comes often.
const nodesSettle = 50 * time.Millisecond

func selectorOf(ds *appsv1.DaemonSet) (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(ds.Spec.Selector)
}

// daemons is one DaemonSet while it is worked on.
type daemons struct {
	*controller
	*appsv1.DaemonSet
	hash  string // of the template
	nodes []*corev1.Node
	pods  map[string][]*corev1.Pod // by node, oldest first
	fits  map[string]fit           // what isFor has found, by node
	wait  time.Duration
}

func (c *controller) sync(ctx context.Context, read *appsv1.DaemonSet) error {
	selector, err := selectorOf(read)
	if err != nil || selector.Empty() || read.DeletionTimestamp != nil {
		return nil //nolint:nilerr // it would select everything or nothing: trying again does not help
	}
	d := &daemons{controller: c, DaemonSet: read.DeepCopy(), nodes: c.nodes.List("", labels.Everything(), nil), fits: map[string]fit{}}
	history := &workload.History{
		Deps: c.Deps, View: c.revisions, Owner: d.DaemonSet, Kind: kind, Selector: d.Spec.Selector, Template: &d.Spec.Template,
		Label: appsv1.DefaultDaemonSetUniqueLabelKey, Collisions: d.Status.CollisionCount,
	}
	current, revisions, err := history.Find(ctx)
	if err != nil {
		return err
	}
	d.Status.CollisionCount = history.Collisions
	d.hash = current.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]
	if err := d.look(ctx, selector); err != nil {
		return err
	}
	err = d.manage(ctx)
	if err == nil && d.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		err = d.roll(ctx)
	}
	if err == nil {
		err = history.Keep(ctx, revisions, int(ptr.Deref(d.Spec.RevisionHistoryLimit, 10)), func(r *appsv1.ControllerRevision) bool {
			return r.UID == current.UID || d.runs(r.Labels[appsv1.DefaultDaemonSetUniqueLabelKey])
		})
	}
	if e := d.look(ctx, selector); e != nil {
		return errors.Join(err, e)
	}
	return errors.Join(err, d.report(ctx, read))
}

// look finds the pods of every node.
func (d *daemons) look(ctx context.Context, selector labels.Selector) error {
	list, err := workload.Claim(ctx, d.Deps, workload.Pods, d.DaemonSet, kind.GroupVersionKind, selector, d.Mine(d.DaemonSet, selector))
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	d.pods = map[string][]*corev1.Pod{}
	for _, p := range list {
		d.pods[nodeOf(p)] = append(d.pods[nodeOf(p)], p)
	}
	return nil
}

func (d *daemons) runs(hash string) bool {
	for _, list := range d.pods {
		if slices.ContainsFunc(list, func(p *corev1.Pod) bool { return p.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == hash }) {
			return true
		}
	}
	return false
}

// later asks to be worked on again after a while, if not sooner.
func (d *daemons) later(t time.Duration) {
	if t > 0 && (d.wait == 0 || t < d.wait) {
		d.wait = t
	}
}

// manage makes pods for nodes without one and deletes those that are in the wrong
// place, too many or over.
func (d *daemons) manage(ctx context.Context) error {
	var missing []string
	var extra []*corev1.Pod
	known := map[string]bool{}
	for _, n := range d.nodes {
		known[n.Name] = true
		run, stay := d.isFor(n)
		list := d.pods[n.Name]
		switch {
		case run && len(list) == 0:
			missing = append(missing, n.Name)
		case stay:
			extra = append(extra, d.surplus(n.Name, list)...)
		default:
			extra = append(extra, workload.Without(list, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })...)
		}
	}
	for node, list := range d.pods { // pods that wait for a node that is gone
		for _, p := range list {
			if !known[node] && p.Spec.NodeName == "" && p.DeletionTimestamp == nil {
				extra = append(extra, p)
			}
		}
	}
	if err := d.delete(ctx, extra); err != nil {
		return err
	}
	return d.create(ctx, missing)
}

// surplus gives the pods of a node that are over or too many: the oldest stays, and
// while the set rolls by surge a new one besides.
func (d *daemons) surplus(node string, list []*corev1.Pod) (extra []*corev1.Pod) {
	var run []*corev1.Pod
	for _, p := range list {
		switch {
		case p.DeletionTimestamp != nil:
		case p.Status.Phase == corev1.PodFailed:
			key := string(d.UID) + "/" + node
			if d.failing.IsInBackOffSinceUpdate(key, d.Clock()) {
				d.later(d.failing.Get(key))
				continue
			}
			d.failing.Next(key, d.Clock())
			d.Events.Event(d.DaemonSet, corev1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s/%s on node %s, will try to kill it", p.Namespace, p.Name, node)
			extra = append(extra, p)
		case p.Status.Phase == corev1.PodSucceeded:
			d.Events.Event(d.DaemonSet, corev1.EventTypeNormal, "SucceededDaemonPod", "Found succeeded daemon pod %s/%s on node %s, will try to delete it", p.Namespace, p.Name, node)
			extra = append(extra, p)
		default:
			run = append(run, p)
		}
	}
	surge, _ := d.bounds()
	if surge == 0 {
		return append(extra, run[min(len(run), 1):]...)
	}
	seen := map[bool]bool{}
	for _, p := range run {
		if isNew := d.isNew(p); seen[isNew] {
			extra = append(extra, p)
		} else {
			seen[isNew] = true
		}
	}
	return extra
}

func (d *daemons) isNew(p *corev1.Pod) bool {
	return p.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == d.hash
}

func (d *daemons) delete(ctx context.Context, list []*corev1.Pod) error {
	for _, err := range workload.AtOnce(min(len(list), burst), func(i int) error {
		if err := workload.Delete(ctx, d.Deps, workload.Pods, list[i]); err != nil {
			d.Events.Event(d.DaemonSet, corev1.EventTypeWarning, "FailedDelete", "Error deleting: %v", err)
			return err
		}
		d.Events.Event(d.DaemonSet, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", list[i].Name)
		return nil
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *daemons) create(ctx context.Context, nodes []string) error {
	_, err := workload.SlowStart(min(len(nodes), burst), func(i int) error {
		p := d.newPod(nodes[i])
		if err := d.Client.Create(ctx, workload.Pods, d.Namespace, p); err != nil {
			if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				d.Events.Event(d.DaemonSet, corev1.EventTypeWarning, "FailedCreate", "Error creating: %v", err)
			}
			return err
		}
		d.Pods.CatchUp(ctx, p)
		d.Events.Event(d.DaemonSet, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
		return nil
	})
	return err
}

// available tells whether a pod has been ready long enough.
func (d *daemons) available(p *corev1.Pod) bool {
	ok, left := pods.Available(p, time.Duration(d.Spec.MinReadySeconds)*time.Second, d.Clock())
	d.later(left)
	return ok
}
