package controllers

import (
	"context"
	"os"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// The election's times are kube-controller-manager's: who does not renew for
// leaseTime is taken to be gone, and who could not renew for renewTime stops.
const (
	leaseTime = 15 * time.Second
	renewTime = 10 * time.Second
	retryTime = 2 * time.Second
)

// leaseName is the Lease in kube-system that the leader among several servers
// holds. It is not kube-controller-manager's own.
const leaseName = "pilothouse-controllers"

var leases = coordinationv1.SchemeGroupVersion.WithResource("leases")

// RunElected is Run for servers that share one storage: only the one that holds
// the Lease runs the loops, and another one takes over when it is gone
// (https://kubernetes.io/docs/concepts/architecture/leases/#leader-election).
func RunElected(ctx context.Context, d Deps, loops []Loop) {
	host, _ := os.Hostname() //nolint:errcheck // the rest of the name is unique
	e := election{client: d.Client.As(request.Server, "kube-apiserver"), me: host + "_" + uuid.NewString(), clock: d.Clock}
	for e.acquire(ctx) {
		klog.InfoS("Controllers run here", "lease", leaseName, "holder", e.me)
		led, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			metrics.Kept(led, "controller", func() { Run(led, d, loops) })()
		}()
		e.hold(ctx)
		stop()
		<-ended
		if ctx.Err() == nil {
			klog.InfoS("Controllers run elsewhere", "lease", leaseName)
		}
		e.release()
	}
}

// election is one server's part in the election.
type election struct {
	client *client.Client
	me     string
	clock  func() time.Time

	// seen is the Lease as it was last, and since when it is like that by this
	// server's clock: others' clocks are not trusted.
	seen  coordinationv1.LeaseSpec
	since time.Time
}

// acquire waits until the Lease is held; false when ctx has ended.
func (e *election) acquire(ctx context.Context) bool {
	for ctx.Err() == nil {
		if e.try(ctx) {
			return true
		}
		loop.Wait(ctx, retryTime)
	}
	return false
}

// hold renews the Lease until that fails for too long, or ctx ends.
func (e *election) hold(ctx context.Context) {
	renewed := e.clock()
	for ctx.Err() == nil {
		loop.Wait(ctx, retryTime)
		switch {
		case e.try(ctx):
			renewed = e.clock()
		case e.clock().Sub(renewed) > renewTime || !e.mine(e.seen.HolderIdentity):
			return
		}
	}
}

// try takes or renews the Lease; false when another one holds it or it could not
// be written.
func (e *election) try(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	var lease coordinationv1.Lease
	err := e.client.Get(ctx, leases, metav1.NamespaceSystem, leaseName, &lease)
	if apierrors.IsNotFound(err) {
		lease.Name, lease.Namespace = leaseName, metav1.NamespaceSystem
		e.claim(&lease.Spec)
		return e.logged(e.client.Create(ctx, leases, metav1.NamespaceSystem, &lease))
	}
	if err != nil {
		return e.logged(err)
	}
	if changed := !equalTimes(lease.Spec.RenewTime, e.seen.RenewTime) || !equalNames(lease.Spec.HolderIdentity, e.seen.HolderIdentity); changed {
		e.seen, e.since = lease.Spec, e.clock()
	}
	if held := e.seen.HolderIdentity; !e.mine(held) && held != nil && *held != "" && e.clock().Sub(e.since) < leaseTime {
		return false
	}
	e.claim(&lease.Spec)
	if !e.logged(e.client.Update(ctx, leases, &lease)) {
		return false
	}
	e.seen, e.since = lease.Spec, e.clock()
	return true
}

func (e *election) mine(holder *string) bool { return holder != nil && *holder == e.me }

// claim makes a Lease this server's.
func (e *election) claim(spec *coordinationv1.LeaseSpec) {
	now := metav1.NewMicroTime(e.clock())
	if !e.mine(spec.HolderIdentity) {
		transitions := int32(0)
		if spec.LeaseTransitions != nil {
			transitions = *spec.LeaseTransitions + 1
		}
		spec.AcquireTime, spec.LeaseTransitions = &now, &transitions
	}
	seconds := int32(leaseTime / time.Second)
	spec.HolderIdentity, spec.RenewTime, spec.LeaseDurationSeconds = &e.me, &now, &seconds
}

// release lets another server take over at once.
func (e *election) release() {
	ctx, cancel := context.WithTimeout(context.Background(), retryTime)
	defer cancel()
	var lease coordinationv1.Lease
	if err := e.client.Get(ctx, leases, metav1.NamespaceSystem, leaseName, &lease); err != nil || !e.mine(lease.Spec.HolderIdentity) {
		return
	}
	nobody, second := "", int32(1)
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &nobody, &second
	e.logged(e.client.Update(ctx, leases, &lease))
}

// logged tells whether a write went through. That another server was faster is
// nothing to log.
func (e *election) logged(err error) bool {
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		klog.V(2).InfoS("The election of the controllers' leader", "err", err)
	}
	return err == nil
}

func equalTimes(a, b *metav1.MicroTime) bool { return a == b || a != nil && b != nil && a.Equal(b) }

func equalNames(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
