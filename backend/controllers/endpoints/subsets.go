package endpoints

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

const (
	managedByLabel = "endpoints.kubernetes.io/managed-by"
	subsetsBy      = "endpoint-controller"
	// maxAddresses bounds the addresses of an Endpoints object.
	maxAddresses = 1000
	truncated    = "truncated"
)

var endpointsResource = corev1.SchemeGroupVersion.WithResource("endpoints")

// subsetController keeps the Endpoints of Services.
// https://kubernetes.io/docs/concepts/services-networking/service/#endpoints
type subsetController struct {
	*controller
	endpoints *loop.View[*corev1.Endpoints]
}

// NewEndpoints gives the loop endpoints-controller.
func NewEndpoints(d loop.Deps) func(context.Context) error {
	c := &subsetController{newController(d, "endpoint"), loop.NewView[*corev1.Endpoints](d, "", "endpoints")}
	return c.run(c.endpoints.Follower(d, func(o, _ *watchcache.Object, _ bool) {
		if by, _ := o.Labels.Lookup(managedByLabel); by == subsetsBy {
			c.queue.Add(loop.NameOf(o))
		}
	}), c.sync)
}

// sync makes the Endpoints of one Service what they should be.
func (c *subsetController) sync(ctx context.Context, key types.NamespacedName) error {
	have, exists := c.endpoints.Get(key.Namespace, key.Name)
	service, ok := c.services.Get(key.Namespace, key.Name)
	if !ok {
		c.triggers.forget(key)
		if !exists || have.Labels[managedByLabel] != subsetsBy {
			return nil
		}
		err := c.Client.Delete(ctx, endpointsResource, key.Namespace, key.Name, &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(have.UID))})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		return err
	}
	if !selects(service) {
		return nil
	}
	list := c.podsOf(service)
	at := c.triggers.since(service, list)
	subsets, over := truncate(subsetsOf(service, list))
	labels := labelsOf(service)
	labels[managedByLabel] = subsetsBy
	if !exists {
		have = &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	}
	_, wasOver := have.Annotations[corev1.EndpointsOverCapacity]
	if exists && wasOver == over && equality.Semantic.DeepEqual(have.Labels, labels) && equality.Semantic.DeepEqual(have.Subsets, subsets) {
		return nil
	}
	return c.write(ctx, have.DeepCopy(), labels, subsets, at, over)
}

func (c *subsetController) write(ctx context.Context, e *corev1.Endpoints, labels map[string]string, subsets []corev1.EndpointSubset, at time.Time, over bool) error {
	e.Labels, e.Subsets = labels, subsets
	e.Annotations = mark(e.Annotations, at)
	delete(e.Annotations, corev1.EndpointsOverCapacity)
	if over {
		if e.Annotations == nil {
			e.Annotations = map[string]string{}
		}
		e.Annotations[corev1.EndpointsOverCapacity] = truncated
	}
	if e.ResourceVersion != "" {
		return c.Client.Update(ctx, endpointsResource, e)
	}
	err := c.Client.Create(ctx, endpointsResource, e.Namespace, e)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// subsetsOf groups the addresses of pods by their ports, in the order that
// Kubernetes' controller gives them. Endpoints have the first family only.
func subsetsOf(s *corev1.Service, list []*corev1.Pod) []corev1.EndpointSubset {
	family := families(s)[0]
	byPorts := map[string]*corev1.EndpointSubset{}
	for _, p := range list {
		address := addressOf(p, family)
		ports := portsOf(s, p)
		if address == "" || p.DeletionTimestamp != nil && !s.Spec.PublishNotReadyAddresses || len(ports) == 0 && (!headless(s) || len(s.Spec.Ports) > 0) {
			continue
		}
		id := portsKey(ports)
		if byPorts[id] == nil {
			byPorts[id] = &corev1.EndpointSubset{Ports: subsetPorts(ports)}
		}
		a := corev1.EndpointAddress{IP: address, TargetRef: targetOf(p)}
		if p.Spec.NodeName != "" {
			a.NodeName = &p.Spec.NodeName
		}
		if hasHostname(p, s) {
			a.Hostname = p.Spec.Hostname
		}
		subset := byPorts[id]
		if s.Spec.PublishNotReadyAddresses || pods.Ready(p) {
			subset.Addresses = append(subset.Addresses, a)
		} else {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, a)
		}
	}
	ids := make([]string, 0, len(byPorts))
	for id := range byPorts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var out []corev1.EndpointSubset
	for _, id := range ids {
		subset := byPorts[id]
		byAddress := func(a, b corev1.EndpointAddress) int {
			return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.TargetRef.UID, b.TargetRef.UID))
		}
		slices.SortFunc(subset.Addresses, byAddress)
		slices.SortFunc(subset.NotReadyAddresses, byAddress)
		out = append(out, *subset)
	}
	return out
}

func subsetPorts(ports []discoveryv1.EndpointPort) []corev1.EndpointPort {
	var out []corev1.EndpointPort
	for _, p := range ports {
		out = append(out, corev1.EndpointPort{Name: ptr.Deref(p.Name, ""), Port: *p.Port, Protocol: *p.Protocol, AppProtocol: p.AppProtocol})
	}
	slices.SortFunc(out, func(a, b corev1.EndpointPort) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port))
	})
	return out
}

// truncate leaves out addresses that are too many, those that are not ready first,
// and tells whether there were such.
func truncate(subsets []corev1.EndpointSubset) ([]corev1.EndpointSubset, bool) {
	ready, rest := 0, 0
	for i := range subsets {
		ready += len(subsets[i].Addresses)
		rest += len(subsets[i].NotReadyAddresses)
	}
	if ready+rest <= maxAddresses {
		return subsets, false
	}
	readyLeft := min(ready, maxAddresses)
	restLeft := maxAddresses - readyLeft
	out := slices.Clone(subsets)
	for i := range out {
		n := min(len(out[i].Addresses), readyLeft)
		out[i].Addresses, readyLeft = out[i].Addresses[:n], readyLeft-n
		n = min(len(out[i].NotReadyAddresses), restLeft)
		out[i].NotReadyAddresses, restLeft = out[i].NotReadyAddresses[:n], restLeft-n
	}
	return slices.DeleteFunc(out, func(s corev1.EndpointSubset) bool { return len(s.Addresses)+len(s.NotReadyAddresses) == 0 }), true
}
