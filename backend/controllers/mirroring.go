package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var (
	endpointsResource = corev1.SchemeGroupVersion.WithResource("endpoints")
	services          = corev1.SchemeGroupVersion.WithResource("services")
	endpointSlices    = discoveryv1.SchemeGroupVersion.WithResource("endpointslices")
)

const (
	mirroredBy = "endpointslicemirroring-controller.k8s.io"
	// leaderKey marks Endpoints that are a lock and nobody's addresses.
	leaderKey = "control-plane.alpha.kubernetes.io/leader"
	// maxMirrored bounds the addresses of a subset and of a slice.
	maxMirrored = 1000
)

// newMirroring makes EndpointSlices of the Endpoints that somebody writes for a
// Service without a selector.
// https://kubernetes.io/docs/concepts/services-networking/service/#endpointslice-mirroring
func newMirroring(d Deps) func(context.Context) error {
	q := loop.NewQueue[types.NamespacedName]("endpoint_slice_mirroring")
	add := func(_ *registry.Store, e *watchcache.Event) { q.Add(loop.NameOf(e.Object)) }
	own := func(_ *registry.Store, e *watchcache.Event) {
		if by, _ := e.Object.Labels.Lookup(discoveryv1.LabelManagedBy); by != mirroredBy {
			return
		}
		if of, ok := e.Object.Labels.Lookup(discoveryv1.LabelServiceName); ok {
			q.Add(types.NamespacedName{Namespace: e.Object.Namespace, Name: of})
		}
	}
	addresses := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "endpoints"), Event: add}
	owners := &loop.Follower{Deps: d, Want: loop.Only("", "services"), Event: add}
	made := &loop.Follower{Deps: d, Initial: true, Want: loop.Only(discoveryv1.GroupName, "endpointslices"), Event: own}
	mirror := func(ctx context.Context, key types.NamespacedName) error { return mirrorEndpoints(ctx, d, key) }
	return func(ctx context.Context) error {
		return loop.Together(ctx, addresses.Run, owners.Run, made.Run, func(ctx context.Context) error { return q.Work(ctx, 2, mirror) })
	}
}

// mirrorEndpoints makes the slices of one Service what they should be.
func mirrorEndpoints(ctx context.Context, d Deps, key types.NamespacedName) error {
	want, err := wantedSlices(ctx, d, key)
	if err != nil {
		return err
	}
	var have discoveryv1.EndpointSliceList
	selector := discoveryv1.LabelServiceName + "=" + key.Name + "," + discoveryv1.LabelManagedBy + "=" + mirroredBy
	if err := d.Client.List(ctx, endpointSlices, key.Namespace, metav1.ListOptions{LabelSelector: selector}, &have); err != nil {
		return err
	}
	var gone []*discoveryv1.EndpointSlice
	for i := range have.Items {
		s := &have.Items[i]
		if s.DeletionTimestamp != nil {
			continue
		}
		at := slices.IndexFunc(want, func(w *discoveryv1.EndpointSlice) bool { return groupOf(w) == groupOf(s) })
		if at < 0 {
			gone = append(gone, s)
			continue
		}
		w := want[at]
		want = slices.Delete(want, at, at+1)
		if sameSlice(s, w) {
			continue
		}
		if err := becomes(ctx, d, s, w); err != nil {
			return err
		}
	}
	// One whose ports change stays the one that it was, and what goes goes last: who
	// follows slices never sees a Service without its endpoints.
	for _, w := range want {
		at := slices.IndexFunc(gone, func(s *discoveryv1.EndpointSlice) bool {
			owner := metav1.GetControllerOfNoCopy(s)
			return s.AddressType == w.AddressType && owner != nil && owner.UID == w.OwnerReferences[0].UID
		})
		if at >= 0 {
			err = becomes(ctx, d, gone[at], w)
			gone = slices.Delete(gone, at, at+1)
		} else {
			err = tolerated(d.Client.Create(ctx, endpointSlices, key.Namespace, w))
		}
		if err != nil {
			return err
		}
	}
	for _, s := range gone {
		if err := tolerated(d.Client.Delete(ctx, endpointSlices, s.Namespace, s.Name, &metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	return nil
}

// becomes writes what a slice should be over what it is.
func becomes(ctx context.Context, d Deps, is, want *discoveryv1.EndpointSlice) error {
	next := is.DeepCopy()
	next.Labels, next.Annotations, next.OwnerReferences = want.Labels, want.Annotations, want.OwnerReferences
	next.Endpoints, next.Ports = want.Endpoints, want.Ports
	return tolerated(d.Client.Update(ctx, endpointSlices, next))
}

func sameSlice(a, b *discoveryv1.EndpointSlice) bool {
	return equality.Semantic.DeepEqual(a.Endpoints, b.Endpoints) && equality.Semantic.DeepEqual(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Annotations, b.Annotations) && equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences)
}

// wantedSlices gives the slices that a Service's Endpoints ask for, none when
// they are not to be mirrored.
func wantedSlices(ctx context.Context, d Deps, key types.NamespacedName) ([]*discoveryv1.EndpointSlice, error) {
	var e corev1.Endpoints
	if err := d.Client.Get(ctx, endpointsResource, key.Namespace, key.Name, &e); err != nil {
		return nil, ignoreNotFound(err)
	}
	if skip, err := strconv.ParseBool(e.Labels[discoveryv1.LabelSkipMirror]); err == nil && skip || e.DeletionTimestamp != nil {
		return nil, nil
	}
	if _, lock := e.Annotations[leaderKey]; lock {
		return nil, nil
	}
	var service corev1.Service
	switch err := d.Client.Get(ctx, services, key.Namespace, key.Name, &service); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case service.Spec.Selector != nil:
		return nil, nil
	}
	return mirrored(&e), nil
}

// mirrored turns Endpoints into slices: one for every set of ports and family of
// addresses, more where there are too many addresses.
func mirrored(e *corev1.Endpoints) []*discoveryv1.EndpointSlice {
	var out []*discoveryv1.EndpointSlice
	open := map[string]*discoveryv1.EndpointSlice{}
	for i := range e.Subsets {
		subset := &e.Subsets[i]
		left := maxMirrored
		each := func(addresses []corev1.EndpointAddress, ready bool) {
			for j := range addresses {
				family, ok := familyOf(addresses[j].IP)
				if !ok || left == 0 {
					continue
				}
				left--
				s := emptySlice(e, subset.Ports, family)
				group := groupOf(s)
				if o := open[group]; o != nil && len(o.Endpoints) < maxMirrored {
					s = o
				} else {
					out, open[group] = append(out, s), s
				}
				s.Endpoints = append(s.Endpoints, endpointOf(&addresses[j], ready))
			}
		}
		each(subset.Addresses, true)
		each(subset.NotReadyAddresses, false)
	}
	return out
}

func familyOf(ip string) (discoveryv1.AddressType, bool) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return "", false
	}
	if a.Unmap().Is4() {
		return discoveryv1.AddressTypeIPv4, true
	}
	return discoveryv1.AddressTypeIPv6, true
}

func endpointOf(a *corev1.EndpointAddress, ready bool) discoveryv1.Endpoint {
	out := discoveryv1.Endpoint{
		Addresses: []string{a.IP}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: a.TargetRef, NodeName: a.NodeName,
	}
	if a.Hostname != "" {
		out.Hostname = &a.Hostname
	}
	return out
}

// groupOf names the family and the ports of a slice, which never change. No ports
// are stored as null.
func groupOf(s *discoveryv1.EndpointSlice) string {
	ports := append([]discoveryv1.EndpointPort{}, s.Ports...)
	slices.SortFunc(ports, func(a, b discoveryv1.EndpointPort) int {
		return cmp.Or(cmp.Compare(deref(a.Name), deref(b.Name)), cmp.Compare(deref(a.Port), deref(b.Port)), cmp.Compare(deref(a.Protocol), deref(b.Protocol)))
	})
	raw, _ := json.Marshal(ports) //nolint:errcheck // strings and numbers always can be
	return string(s.AddressType) + string(raw)
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// emptySlice is a slice of Endpoints with their labels and annotations.
func emptySlice(e *corev1.Endpoints, ports []corev1.EndpointPort, family discoveryv1.AddressType) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: e.Namespace, GenerateName: e.Name, Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(e, corev1.SchemeGroupVersion.WithKind("Endpoints"))},
		},
		AddressType: family, Endpoints: []discoveryv1.Endpoint{}, Ports: []discoveryv1.EndpointPort{},
	}
	if prefix := e.Name + "-"; len(validation.NameIsDNSSubdomain(prefix, true)) == 0 {
		s.GenerateName = prefix
	}
	for k, v := range e.Labels {
		s.Labels[k] = v
	}
	s.Labels[discoveryv1.LabelServiceName], s.Labels[discoveryv1.LabelManagedBy] = e.Name, mirroredBy
	for k, v := range e.Annotations {
		if k != corev1.EndpointsLastChangeTriggerTime && k != corev1.LastAppliedConfigAnnotation {
			s.Annotations[k] = v
		}
	}
	for i := range ports {
		p := ports[i]
		s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &p.Port, Protocol: &p.Protocol, AppProtocol: p.AppProtocol})
	}
	return s
}
