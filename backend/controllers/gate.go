package controllers

import (
	"context"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

const (
	// managerLease is what the leader among kube-controller-managers holds.
	managerLease = "kube-controller-manager"
	// gatePeriod is how often it is looked at whether that Lease has run out.
	gatePeriod = 2 * time.Second
)

// gate lets the loops of workloads run. Without nodes nothing can run, and then
// an API server is often asked to be one and no more: so they begin when the
// first node is alive, which is one whose kubelet renews its Lease. And while a
// kube-controller-manager holds its own, theirs is the work.
type gate struct {
	Deps

	mu      sync.Mutex
	alive   bool      // a node was seen alive
	held    time.Time // until when a kube-controller-manager is at work
	changed chan struct{}
}

func newGate(d Deps) *gate { return &gate{Deps: d, changed: make(chan struct{})} }

// watch follows Leases until ctx ends.
func (g *gate) watch(ctx context.Context) {
	f := &loop.Follower{Deps: g.Deps, Initial: true, Want: loop.Only(coordinationv1.GroupName, "leases"), Event: g.lease}
	if err := f.Run(ctx); err != nil && ctx.Err() == nil {
		klog.ErrorS(err, "Nobody looks for nodes any longer")
	}
}

func (g *gate) lease(store *registry.Store, e *watchcache.Event) {
	o := e.Object
	node := o.Namespace == corev1.NamespaceNodeLease
	if e.Type == watchcache.Deleted || !node && (o.Namespace != metav1.NamespaceSystem || o.Name != managerLease) {
		return
	}
	decoded, err := store.Decode(o)
	l, ok := decoded.(*coordinationv1.Lease)
	if err != nil || !ok || l.Spec.RenewTime == nil {
		return
	}
	until := l.Spec.RenewTime.Add(time.Duration(deref(l.Spec.LeaseDurationSeconds)) * time.Second)
	if !until.After(g.Clock()) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !node && deref(l.Spec.HolderIdentity) != "":
		g.held = until
	case !node:
		g.held = time.Time{}
	case !g.alive && loop.Peek(g.Registry, "", "nodes", "", o.Name) != nil:
		klog.InfoS("A node is alive, the controllers of workloads begin", "node", o.Name)
		g.alive = true
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// open tells whether loops may run, and is closed by changed when that may have
// become another answer.
func (g *gate) open() (open bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.alive && !g.held.After(g.Clock()), g.changed
}

// nodes tells whether a node was seen alive.
func (g *gate) nodes() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.alive
}

// run runs f whenever the gate is open.
func (g *gate) run(ctx context.Context, f func(context.Context)) {
	for ctx.Err() == nil {
		if !g.await(ctx, true) {
			return
		}
		own, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			f(own)
		}()
		g.await(ctx, false)
		stop()
		<-ended
	}
}

// await waits until the gate is open, or is not; false when ctx has ended.
func (g *gate) await(ctx context.Context, want bool) bool {
	period := time.NewTicker(gatePeriod)
	defer period.Stop()
	for {
		open, changed := g.open()
		if open == want {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		case <-period.C:
		}
	}
}
