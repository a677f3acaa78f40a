package controllers

import (
	"context"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

const (
	// managerLease and schedulerLease are what the leader among
	// kube-controller-managers and the one among kube-schedulers hold.
	managerLease   = "kube-controller-manager"
	schedulerLease = "kube-scheduler"
	// gatePeriod is how often it is looked at whether such a Lease has run out.
	gatePeriod = 2 * time.Second
)

// gate lets loops run. While a kube-controller-manager or a kube-scheduler holds
// its Lease, theirs is the work. And without nodes nothing can run, and then an
// API server is often asked to be one and no more: so the loops of workloads begin
// when the first node is alive, which is one whose kubelet renews its Lease.
type gate struct {
	Deps

	mu      sync.Mutex
	alive   bool                 // a node was seen alive
	held    map[string]time.Time // until when the holder of a Lease is at work
	changed chan struct{}
}

// newGate gives a gate that knows who holds the Leases now.
func newGate(d Deps) *gate {
	g := &gate{Deps: d, held: map[string]time.Time{}, changed: make(chan struct{})}
	store := d.Registry.Store(coordinationv1.GroupName, "leases")
	if store == nil {
		return g
	}
	for _, name := range []string{managerLease, schedulerLease} {
		if o := store.Peek(metav1.NamespaceSystem, name); o != nil {
			g.see(store, o)
		}
	}
	return g
}

// watch follows Leases until ctx ends.
func (g *gate) watch(ctx context.Context) {
	f := &loop.Follower{Deps: g.Deps, Initial: true, Want: loop.Only(coordinationv1.GroupName, "leases"), Event: func(store *registry.Store, e *watchcache.Event) {
		if e.Type != watchcache.Deleted {
			g.see(store, e.Object)
			return
		}
		if o := e.Object; o.Namespace == metav1.NamespaceSystem && (o.Name == managerLease || o.Name == schedulerLease) {
			g.set(func() { delete(g.held, o.Name) })
		}
	}}
	if err := f.Run(ctx); err != nil && ctx.Err() == nil {
		klog.ErrorS(err, "Nobody looks for nodes any longer")
	}
}

// see takes in what a Lease says.
func (g *gate) see(store *registry.Store, o *watchcache.Object) {
	node := o.Namespace == corev1.NamespaceNodeLease
	if !node && (o.Namespace != metav1.NamespaceSystem || o.Name != managerLease && o.Name != schedulerLease) {
		return
	}
	decoded, err := store.Decode(o)
	l, ok := decoded.(*coordinationv1.Lease)
	if err != nil || !ok || l.Spec.RenewTime == nil {
		return
	}
	until := l.Spec.RenewTime.Add(time.Duration(deref(l.Spec.LeaseDurationSeconds)) * time.Second)
	switch {
	case !node && deref(l.Spec.HolderIdentity) == "":
		g.set(func() { delete(g.held, o.Name) })
	case !node:
		g.set(func() { g.held[o.Name] = until })
	case until.After(g.Clock()) && !g.nodes() && loop.Peek(g.Registry, "", "nodes", "", o.Name) != nil:
		klog.InfoS("A node is alive, the controllers of workloads begin", "node", o.Name)
		g.set(func() { g.alive = true })
	}
}

// set changes what is known and tells who waits.
func (g *gate) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	close(g.changed)
	g.changed = make(chan struct{})
}

// open tells whether a loop may run; changed is closed when that may have become
// another answer.
func (g *gate) open(l Loop) (open bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	lease := l.givesWay()
	free := lease == "" || !g.held[lease].After(g.Clock())
	return free && (g.alive || l.Named || !l.Workload), g.changed
}

// nodes tells whether a node was seen alive.
func (g *gate) nodes() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.alive
}

// run runs f whenever a loop may run.
func (g *gate) run(ctx context.Context, l Loop, f func(context.Context)) {
	if l.givesWay() == "" && (l.Named || !l.Workload) {
		f(ctx)
		return
	}
	for g.await(ctx, l, true) {
		own, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			metrics.Kept(own, "controller", func() { f(own) })()
		}()
		if g.await(ctx, l, false) {
			klog.InfoS("Another program does a controller's work", "controller", l.Name, "lease", l.givesWay())
		}
		stop()
		<-ended
	}
}

// await waits until a loop may run, or may not; false when ctx has ended.
func (g *gate) await(ctx context.Context, l Loop, want bool) bool {
	period := time.NewTicker(gatePeriod)
	defer period.Stop()
	for ctx.Err() == nil {
		open, changed := g.open(l)
		if open == want {
			return true
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-period.C:
		}
	}
	return false
}
