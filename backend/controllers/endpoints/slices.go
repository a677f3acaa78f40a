package endpoints

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

const (
	slicesBy = "endpointslice-controller.k8s.io"
	// maxEndpoints bounds the endpoints of a slice: kube-controller-manager's
	// --max-endpoints-per-slice.
	maxEndpoints = 100
)

var sliceResource = discoveryv1.SchemeGroupVersion.WithResource("endpointslices")

// sliceController keeps the EndpointSlices of Services.
// https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
type sliceController struct {
	*controller
	slices *loop.View[*discoveryv1.EndpointSlice]
}

// NewSlices gives the loop endpointslice-controller.
func NewSlices(d loop.Deps) func(context.Context) error {
	c := &sliceController{newController(d, "endpoint_slice"), loop.NewView[*discoveryv1.EndpointSlice](d, discoveryv1.GroupName, "endpointslices")}
	return c.run(c.slices.Follower(d, c.slice), c.sync)
}

func (c *sliceController) slice(o, _ *watchcache.Object, _ bool) {
	if by, _ := o.Labels.Lookup(discoveryv1.LabelManagedBy); by == slicesBy {
		c.queue.Add(types.NamespacedName{Namespace: o.Namespace, Name: o.Labels.Get(discoveryv1.LabelServiceName)})
	}
}

// sync makes the slices of one Service what they should be.
func (c *sliceController) sync(ctx context.Context, key types.NamespacedName) error {
	have := c.slices.List(key.Namespace, labels.SelectorFromSet(labels.Set{discoveryv1.LabelManagedBy: slicesBy, discoveryv1.LabelServiceName: key.Name}), nil)
	have = slices.DeleteFunc(have, func(s *discoveryv1.EndpointSlice) bool { return s.DeletionTimestamp != nil })
	service, ok := c.services.Get(key.Namespace, key.Name)
	if !ok || !selects(service) {
		c.triggers.forget(key)
		if !ok {
			return nil // the garbage collector takes what the Service owned
		}
		return c.apply(ctx, have, nil, time.Time{})
	}
	list := c.podsOf(service)
	at := c.triggers.since(service, list)
	var want []*discoveryv1.EndpointSlice
	for _, family := range families(service) {
		want = append(want, c.wanted(service, family, list, have)...)
	}
	return c.apply(ctx, have, want, at)
}

// wanted gives the slices of a family. Endpoints stay in the slice in which they
// are, so that a change touches few slices.
func (c *sliceController) wanted(s *corev1.Service, family corev1.IPFamily, list []*corev1.Pod, have []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	groups := map[string]*group{}
	for _, p := range list {
		address := addressOf(p, family)
		node, known := c.nodes.Get("", p.Spec.NodeName)
		if address == "" || p.Spec.NodeName != "" && !known && !s.Spec.PublishNotReadyAddresses {
			continue
		}
		ports := portsOf(s, p)
		id := portsKey(ports)
		if groups[id] == nil {
			groups[id] = &group{ports: ports, endpoints: map[string]discoveryv1.Endpoint{}}
		}
		groups[id].endpoints[p.Name] = endpointOf(s, p, address, node)
	}
	var out []*discoveryv1.EndpointSlice
	for _, old := range have {
		if old.AddressType != discoveryv1.AddressType(family) {
			continue
		}
		if g := groups[portsKey(old.Ports)]; g != nil {
			if kept := g.take(old); len(kept) > 0 {
				next := emptySlice(s, family, g.ports)
				next.Name, next.Endpoints = old.Name, kept
				out, g.slices = append(out, next), append(g.slices, next)
			}
		}
	}
	ids := make([]string, 0, len(groups))
	for id := range groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		out = append(out, groups[id].place(func() *discoveryv1.EndpointSlice { return emptySlice(s, family, groups[id].ports) })...)
	}
	if len(out) == 0 {
		return []*discoveryv1.EndpointSlice{placeholder(s, family, have)}
	}
	return out
}

// placeholder is the slice of a Service without endpoints: that there are none is
// known then.
func placeholder(s *corev1.Service, family corev1.IPFamily, have []*discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	out := emptySlice(s, family, []discoveryv1.EndpointPort{})
	for _, old := range have {
		if old.AddressType == out.AddressType && len(old.Ports) == 0 {
			out.Name = old.Name
			break
		}
	}
	return out
}

// group is the endpoints that have the same ports.
type group struct {
	ports     []discoveryv1.EndpointPort
	endpoints map[string]discoveryv1.Endpoint // by pod, those without a slice
	slices    []*discoveryv1.EndpointSlice
}

// take gives the endpoints that stay in a slice, as they are now.
func (g *group) take(old *discoveryv1.EndpointSlice) []discoveryv1.Endpoint {
	var kept []discoveryv1.Endpoint
	for i := range old.Endpoints {
		if ref := old.Endpoints[i].TargetRef; ref != nil {
			if now, ok := g.endpoints[ref.Name]; ok {
				kept = append(kept, now)
				delete(g.endpoints, ref.Name)
			}
		}
	}
	return kept
}

// place finds places for the other endpoints: first in the fullest slices that
// have room, then in new ones, which it gives.
func (g *group) place(newSlice func() *discoveryv1.EndpointSlice) (added []*discoveryv1.EndpointSlice) {
	names := make([]string, 0, len(g.endpoints))
	for name := range g.endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.SortStableFunc(g.slices, func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(len(b.Endpoints), len(a.Endpoints)) })
	open := g.slices
	for _, name := range names {
		for len(open) > 0 && len(open[0].Endpoints) >= maxEndpoints {
			open = open[1:]
		}
		if len(open) == 0 {
			added = append(added, newSlice())
			open = added[len(added)-1:]
		}
		open[0].Endpoints = append(open[0].Endpoints, g.endpoints[name])
	}
	return added
}

// portsKey is the same for the same ports in any order; no ports are stored as null.
func portsKey(ports []discoveryv1.EndpointPort) string {
	sorted := append([]discoveryv1.EndpointPort{}, ports...)
	slices.SortFunc(sorted, func(a, b discoveryv1.EndpointPort) int {
		return cmp.Or(cmp.Compare(ptr.Deref(a.Name, ""), ptr.Deref(b.Name, "")), cmp.Compare(ptr.Deref(a.Port, 0), ptr.Deref(b.Port, 0)))
	})
	raw, _ := json.Marshal(sorted) //nolint:errcheck // strings and numbers always can be
	return string(raw)
}

func endpointOf(s *corev1.Service, p *corev1.Pod, address string, node *corev1.Node) discoveryv1.Endpoint {
	serving, terminating := pods.Ready(p), p.DeletionTimestamp != nil
	ready := s.Spec.PublishNotReadyAddresses || serving && !terminating
	out := discoveryv1.Endpoint{
		Addresses:  []string{address},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  targetOf(p),
	}
	if p.Spec.NodeName != "" {
		out.NodeName = &p.Spec.NodeName
	}
	if node != nil {
		if zone := node.Labels[corev1.LabelTopologyZone]; zone != "" {
			out.Zone = &zone
		}
	}
	if hasHostname(p, s) {
		out.Hostname = &p.Spec.Hostname
	}
	if ready {
		out.Hints = hintsOf(s, &out)
	}
	return out
}

// hintsOf says for whom an endpoint is, as the Service's trafficDistribution wants
// it.
func hintsOf(s *corev1.Service, e *discoveryv1.Endpoint) *discoveryv1.EndpointHints {
	var out discoveryv1.EndpointHints
	switch ptr.Deref(s.Spec.TrafficDistribution, "") {
	case corev1.ServiceTrafficDistributionPreferSameNode:
		if e.NodeName != nil {
			out.ForNodes = []discoveryv1.ForNode{{Name: *e.NodeName}}
		}
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
	default:
		return nil
	}
	if e.Zone != nil {
		out.ForZones = []discoveryv1.ForZone{{Name: *e.Zone}}
	}
	if out.ForNodes == nil && out.ForZones == nil {
		return nil
	}
	return &out
}

func emptySlice(s *corev1.Service, family corev1.IPFamily, ports []discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, GenerateName: s.Name, Labels: labelsOf(s),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, corev1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: discoveryv1.AddressType(family), Endpoints: []discoveryv1.Endpoint{}, Ports: ports,
	}
	if prefix := s.Name + "-"; len(validation.NameIsDNSSubdomain(prefix, true)) == 0 {
		out.GenerateName = prefix
	}
	out.Labels[discoveryv1.LabelServiceName], out.Labels[discoveryv1.LabelManagedBy] = s.Name, slicesBy
	return out
}

// apply writes what is different: new slices first, then those that change, and
// last those that go, so that no endpoint is away in between.
func (c *sliceController) apply(ctx context.Context, have, want []*discoveryv1.EndpointSlice, at time.Time) error {
	reuse(have, want)
	byName := map[string]*discoveryv1.EndpointSlice{}
	for _, w := range want {
		if w.Name != "" {
			byName[w.Name] = w
			continue
		}
		w.Annotations = mark(w.Annotations, at)
		if err := c.Client.Create(ctx, sliceResource, w.Namespace, w); err != nil {
			if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				return nil
			}
			return err
		}
		c.slices.CatchUp(ctx, w)
	}
	for _, old := range have {
		if w := byName[old.Name]; w != nil && !sameSlice(old, w) {
			next := old.DeepCopy()
			next.Labels, next.OwnerReferences, next.Endpoints, next.Ports = w.Labels, w.OwnerReferences, w.Endpoints, w.Ports
			next.Annotations = mark(next.Annotations, at)
			if err := c.Client.Update(ctx, sliceResource, next); err != nil {
				return err
			}
			c.slices.CatchUp(ctx, next)
		}
	}
	for _, old := range have {
		if byName[old.Name] != nil {
			continue
		}
		if err := c.Client.Delete(ctx, sliceResource, old.Namespace, old.Name, &metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// reuse gives new slices the names of those that would go. Like
// kube-controller-manager's, a slice whose ports change stays the one that it
// was: who follows slices never sees a Service without one. Those of an earlier
// Service of the name are left to the garbage collector.
func reuse(have, want []*discoveryv1.EndpointSlice) {
	for _, w := range want {
		if w.Name != "" {
			continue
		}
		i := slices.IndexFunc(have, func(old *discoveryv1.EndpointSlice) bool {
			taken := slices.ContainsFunc(want, func(other *discoveryv1.EndpointSlice) bool { return other.Name == old.Name })
			owner := metav1.GetControllerOfNoCopy(old)
			return !taken && old.AddressType == w.AddressType && owner != nil && owner.UID == w.OwnerReferences[0].UID
		})
		if i >= 0 {
			w.Name = have[i].Name
		}
	}
}

func sameSlice(a, b *discoveryv1.EndpointSlice) bool {
	byName := func(list []discoveryv1.Endpoint) []discoveryv1.Endpoint {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b discoveryv1.Endpoint) int { return strings.Compare(targetName(&a), targetName(&b)) })
		return list
	}
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) && equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences) &&
		portsKey(a.Ports) == portsKey(b.Ports) && equality.Semantic.DeepEqual(byName(a.Endpoints), byName(b.Endpoints))
}

func targetName(e *discoveryv1.Endpoint) string {
	if e.TargetRef == nil {
		return ""
	}
	return e.TargetRef.Name
}
