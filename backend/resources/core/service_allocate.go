package core

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/allocator"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
)

// serviceAllocator gives Services their addresses and node ports. An address is
// taken when an IPAddress object of its name exists, so it survives a crash
// between the two writes of a Service's creation; Repair cleans up after one.
// Node ports live in memory and are read from the Services at the first use.
type serviceAllocator struct {
	env   *registry.Env
	addrs addresses

	// mu guards ports, which is nil until the first use.
	mu    sync.Mutex
	ports *allocator.Ports
}

func newServiceAllocator(env *registry.Env) *serviceAllocator {
	return &serviceAllocator{env: env, addrs: addresses{env}}
}

// family is the one address family that the server's range has.
func (a *serviceAllocator) family() corev1.IPFamily { return familyOfAddr(a.env.ServiceIPRange.Addr()) }

func familyOfAddr(addr netip.Addr) corev1.IPFamily {
	if addr.Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

// beginCreate fills in a new Service's addresses and ports.
func (a *serviceAllocator) beginCreate(ctx context.Context, svc *corev1.Service, dryRun bool) (func(bool), error) {
	normalizeClusterIPs(svc, nil)
	if err := a.initIPFamilies(svc, nil); err != nil {
		return nil, err
	}
	w := a.newWrite(ctx, svc, dryRun)
	return w.run(
		func() error { return w.allocateClusterIPs(0) },
		w.initNodePorts,
		func() error {
			if needsHealthCheck(svc) {
				return w.allocateHealthCheckPort()
			}
			return nil
		},
	)
}

// beginUpdate keeps what the client left out, allocates what the Service needs
// anew and gives back what it no longer needs once the update is written.
func (a *serviceAllocator) beginUpdate(ctx context.Context, svc, old *corev1.Service, dryRun bool) (func(bool), error) {
	keepAllocated(svc, old)
	normalizeClusterIPs(svc, old)
	if err := a.initIPFamilies(svc, old); err != nil {
		return nil, err
	}
	w := a.newWrite(ctx, svc, dryRun)
	return w.run(
		func() error { return w.updateClusterIPs(old) },
		func() error { return w.updateNodePorts(old) },
		func() error { return w.updateHealthCheckPort(old) },
	)
}

// afterDelete gives back what a Service had. The Endpoints of its name go too,
// so that a Service that comes next under the name does not find them.
func (a *serviceAllocator) afterDelete(ctx context.Context, svc *corev1.Service) {
	// What follows is the server's own work: it neither ends with the request
	// nor shows in its warnings.
	ctx = context.Background()
	_, err := a.env.Registry.Store("", "endpoints").Delete(ctx, svc.Namespace, svc.Name, registry.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		klog.ErrorS(err, "delete the endpoints of a deleted service", "service", klog.KObj(svc))
	}
	if needsClusterIP(svc) && !isHeadless(svc) {
		a.addrs.release(svc.Spec.ClusterIPs)
	}
	ports, err := a.nodePorts(ctx)
	if err != nil {
		return // They were never read: the next reading will not find this Service.
	}
	for _, p := range svc.Spec.Ports {
		ports.Release(int(p.NodePort))
	}
	if needsHealthCheck(svc) {
		ports.Release(int(svc.Spec.HealthCheckNodePort))
	}
}

// nodePorts gives the node ports with those of all Services taken.
func (a *serviceAllocator) nodePorts(ctx context.Context) (*allocator.Ports, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ports != nil {
		return a.ports, nil
	}
	ports := allocator.NewPorts(a.env.NodePortMin, a.env.NodePortMax)
	err := eachService(ctx, a.env, func(svc *corev1.Service) {
		for _, port := range servicePortsInUse(svc) {
			// Two Services may have the same port for two protocols, and a
			// range that shrank leaves ports outside.
			_ = ports.Allocate(port)
		}
	})
	if err != nil {
		return nil, err
	}
	a.ports = ports
	return ports, nil
}

func servicePortsInUse(svc *corev1.Service) []int {
	out := nodePortsOf(svc)
	if needsHealthCheck(svc) && svc.Spec.HealthCheckNodePort != 0 {
		out = append(out, int(svc.Spec.HealthCheckNodePort))
	}
	return out
}

// nodePortsOf are the node ports of a Service, with repetitions.
func nodePortsOf(svc *corev1.Service) []int {
	var out []int
	for _, p := range svc.Spec.Ports {
		if p.NodePort != 0 {
			out = append(out, int(p.NodePort))
		}
	}
	return out
}

// eachService calls f with every stored Service.
func eachService(ctx context.Context, env *registry.Env, f func(*corev1.Service)) error {
	store := env.Registry.Store("", "services")
	list, err := store.List(ctx, registry.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		obj, err := store.Decode(item)
		if err != nil {
			return err
		}
		f(obj.(*corev1.Service))
	}
	return nil
}

// serviceWrite is what one write of a Service takes and gives back.
type serviceWrite struct {
	a      *serviceAllocator
	ctx    context.Context
	svc    *corev1.Service
	dryRun bool

	ports *allocator.Operation
	// taken are addresses that a failed write gives back, released those that a
	// successful one does.
	taken, released []string
}

func (a *serviceAllocator) newWrite(ctx context.Context, svc *corev1.Service, dryRun bool) *serviceWrite {
	return &serviceWrite{a: a, ctx: ctx, svc: svc, dryRun: dryRun}
}

// run does the steps; after one that failed it undoes those before.
func (w *serviceWrite) run(steps ...func() error) (func(bool), error) {
	for _, step := range steps {
		if err := step(); err != nil {
			w.finish(false)
			return nil, err
		}
	}
	return w.finish, nil
}

func (w *serviceWrite) finish(written bool) {
	back := w.taken
	if written {
		back = w.released
	}
	if !w.dryRun {
		w.a.addrs.release(back)
	}
	if w.ports == nil {
		return
	}
	if written {
		w.ports.Commit()
	} else {
		w.ports.Revert()
	}
}

// op gives the operation on node ports, which most writes do without.
func (w *serviceWrite) op() (*allocator.Operation, error) {
	if w.ports == nil {
		ports, err := w.a.nodePorts(w.ctx)
		if err != nil {
			return nil, err
		}
		w.ports = ports.Begin(w.dryRun)
	}
	return w.ports, nil
}

// keepAllocated fills in what was allocated before and the client left out, so
// that the same PUT works twice.
func keepAllocated(svc, old *corev1.Service) {
	spec, was := &svc.Spec, &old.Spec
	if needsClusterIP(old) && needsClusterIP(svc) {
		setDefault(&spec.ClusterIP, was.ClusterIP)
		if len(spec.ClusterIPs) == 0 && spec.ClusterIP == was.ClusterIP {
			spec.ClusterIPs = slices.Clone(was.ClusterIPs)
		}
	}
	if wantsNodePorts(old) && wantsNodePorts(svc) {
		keepNodePorts(spec.Ports, was.Ports)
	}
	if needsHealthCheck(old) && needsHealthCheck(svc) {
		setDefault(&spec.HealthCheckNodePort, was.HealthCheckNodePort)
	}
}

// keepNodePorts gives a port that names no node port the one that the port of
// its name had, unless another port uses that now.
func keepNodePorts(ports, was []corev1.ServicePort) {
	used := map[int32]bool{}
	for _, p := range ports {
		used[p.NodePort] = true
	}
	byName := map[string]int32{}
	for _, p := range was {
		byName[p.Name] = p.NodePort
	}
	for i := range ports {
		if p := &ports[i]; p.NodePort == 0 && !used[byName[p.Name]] {
			p.NodePort = byName[p.Name]
		}
	}
}

// normalizeClusterIPs brings clusterIP and clusterIPs together where the client
// set or changed only one of them; validation finds where they disagree.
func normalizeClusterIPs(svc, old *corev1.Service) {
	spec := &svc.Spec
	if old != nil && old.Spec.ClusterIP != spec.ClusterIP && slices.Equal(spec.ClusterIPs, old.Spec.ClusterIPs) {
		spec.ClusterIPs = nil
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
}

func invalidService(svc *corev1.Service, errs ...*field.Error) error {
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), svc.Name, errs)
}
