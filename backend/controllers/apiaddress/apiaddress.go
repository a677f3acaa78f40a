// Package apiaddress keeps the Endpoints and the EndpointSlice of the Service
// kubernetes, which say where the API servers are. Every server does that for
// itself, whoever runs the controllers. Read apiaddress.go first, then lease.go.
package apiaddress

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// service is the API as pods see it; its Endpoints and slice have its name.
const service = "kubernetes"

// How often the addresses are looked at and a server says that it is there, and
// how long one may be silent.
const (
	interval = 5 * time.Second
	silence  = 15 * time.Second
)

var (
	endpoints = corev1.SchemeGroupVersion.WithResource("endpoints")
	slicesGVR = discoveryv1.SchemeGroupVersion.WithResource("endpointslices")
)

// Options say who keeps which address.
type Options struct {
	Client *client.Client
	Clock  func() time.Time
	// Address and Port are where this server is. One on loopback cannot be said:
	// it would be another machine's own.
	Address netip.Addr
	Port    int
	// Shared tells that other servers may use the same storage; each then says
	// with a Lease that it is there.
	Shared bool
}

// Keeper keeps one server's address.
type Keeper struct {
	Options
	leases leases

	mu   sync.Mutex
	left bool
}

// New gives a Keeper that does nothing until Run.
func New(o Options) *Keeper {
	return &Keeper{Options: o, leases: leases{Options: o, seen: map[string]sighting{}}}
}

// Run keeps the address until ctx ends or the server leaves.
func (k *Keeper) Run(ctx context.Context) {
	if !Sayable(k.Address) {
		return
	}
	for ctx.Err() == nil {
		gone, err := k.keep(ctx)
		if gone {
			return
		}
		pause := interval
		if err != nil && ctx.Err() == nil {
			klog.V(2).InfoS("The address of the API is not written, later", "err", err)
			pause = time.Second
		}
		loop.Wait(ctx, pause)
	}
}

// Sayable tells an address that Endpoints may have.
func Sayable(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

func (k *Keeper) keep(ctx context.Context) (gone bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left {
		return true, nil
	}
	all := []string{k.Address.String()}
	if k.Shared {
		if err := k.leases.renew(ctx); err != nil {
			return false, err
		}
		if all, err = k.leases.live(ctx); err != nil {
			return false, err
		}
	}
	return false, k.write(ctx, all)
}

// Leave takes the address away: the server is about to stop.
func (k *Keeper) Leave(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left = true; !Sayable(k.Address) {
		return
	}
	var others []string
	var err error
	if k.Shared {
		if err = k.leases.remove(ctx); err == nil {
			others, err = k.leases.live(ctx)
		}
	}
	if err == nil {
		err = k.write(ctx, slices.DeleteFunc(others, func(a string) bool { return a == k.Address.String() }))
	}
	if err != nil {
		klog.ErrorS(err, "The address of the API stays in the endpoints of the service kubernetes")
	}
}

// write makes Endpoints and slice have these addresses, none of both when there
// are none.
func (k *Keeper) write(ctx context.Context, addresses []string) error {
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	if err := k.writeEndpoints(ctx, addresses); err != nil {
		return err
	}
	return k.writeSlice(ctx, addresses)
}

func (k *Keeper) writeEndpoints(ctx context.Context, addresses []string) error {
	var have corev1.Endpoints
	err := k.Client.Get(ctx, endpoints, metav1.NamespaceDefault, service, &have)
	missing := apierrors.IsNotFound(err)
	switch {
	case err != nil && !missing:
		return err
	case len(addresses) == 0:
		return k.delete(ctx, endpoints, missing)
	}
	want := have.DeepCopy()
	want.Namespace, want.Name = metav1.NamespaceDefault, service
	if want.Labels == nil {
		want.Labels = map[string]string{}
	}
	want.Labels[discoveryv1.LabelSkipMirror] = "true"
	subset := corev1.EndpointSubset{Ports: []corev1.EndpointPort{{Name: "https", Port: int32(k.Port), Protocol: corev1.ProtocolTCP}}} //nolint:gosec // a port
	for _, a := range addresses {
		subset.Addresses = append(subset.Addresses, corev1.EndpointAddress{IP: a})
	}
	want.Subsets = []corev1.EndpointSubset{subset}
	switch {
	case missing:
		return k.Client.Create(ctx, endpoints, want.Namespace, want)
	case equality.Semantic.DeepEqual(&have, want):
		return nil
	}
	return k.Client.Update(ctx, endpoints, want)
}

func (k *Keeper) writeSlice(ctx context.Context, addresses []string) error {
	var have discoveryv1.EndpointSlice
	err := k.Client.Get(ctx, slicesGVR, metav1.NamespaceDefault, service, &have)
	missing := apierrors.IsNotFound(err)
	family := discoveryv1.AddressTypeIPv4
	if k.Address.Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	switch {
	case err != nil && !missing:
		return err
	case len(addresses) == 0:
		return k.delete(ctx, slicesGVR, missing)
	case !missing && have.AddressType != family: // it cannot be changed
		if err := k.delete(ctx, slicesGVR, false); err != nil {
			return err
		}
		missing, have = true, discoveryv1.EndpointSlice{}
	}
	want := have.DeepCopy()
	want.Namespace, want.Name, want.AddressType = metav1.NamespaceDefault, service, family
	if want.Labels == nil {
		want.Labels = map[string]string{}
	}
	want.Labels[discoveryv1.LabelServiceName] = service
	want.Ports = []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: ptr.To(int32(k.Port)), Protocol: ptr.To(corev1.ProtocolTCP)}} //nolint:gosec // a port
	want.Endpoints = nil
	for _, a := range addresses {
		want.Endpoints = append(want.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
	}
	switch {
	case missing:
		return k.Client.Create(ctx, slicesGVR, want.Namespace, want)
	case equality.Semantic.DeepEqual(&have, want):
		return nil
	}
	return k.Client.Update(ctx, slicesGVR, want)
}

func (k *Keeper) delete(ctx context.Context, gvr schema.GroupVersionResource, missing bool) error {
	if missing {
		return nil
	}
	err := k.Client.Delete(ctx, gvr, metav1.NamespaceDefault, service, nil)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
