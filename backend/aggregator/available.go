package aggregator

import (
	"context"
	"fmt"
	"net/http"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// attempts is how often a server is tried before it counts as away: any of its
// endpoints will do.
const attempts = 5

func verdict(status apiregistrationv1.ConditionStatus, reason, format string, args ...any) apiregistrationv1.APIServiceCondition {
	return apiregistrationv1.APIServiceCondition{
		Type: apiregistrationv1.Available, Status: status, Reason: reason, Message: fmt.Sprintf(format, args...),
	}
}

func unavailable(reason, format string, args ...any) apiregistrationv1.APIServiceCondition {
	return verdict(apiregistrationv1.ConditionFalse, reason, format, args...)
}

func unknown(reason, format string, args ...any) apiregistrationv1.APIServiceCondition {
	return verdict(apiregistrationv1.ConditionUnknown, reason, format, args...)
}

// check tells whether a server can be reached, in the words of Kubernetes'
// aggregator.
func (m *Manager) check(ctx context.Context, t *target) apiregistrationv1.APIServiceCondition {
	ref := t.spec.Service
	service, err := m.service(ctx, ref.Namespace, ref.Name)
	switch {
	case apierrors.IsNotFound(err):
		return unavailable("ServiceNotFound", "service/%s in %q is not present", ref.Name, ref.Namespace)
	case err != nil:
		return unknown("ServiceAccessError", "service/%s in %q cannot be checked due to: %v", ref.Name, ref.Namespace, err)
	}
	if service.Spec.Type == corev1.ServiceTypeClusterIP {
		if c := m.checkEndpoints(ctx, t, service); c != nil {
			return *c
		}
	}
	if err := m.checkDiscovery(ctx, t); err != nil {
		return unavailable("FailedDiscoveryCheck", "%s", err)
	}
	return verdict(apiregistrationv1.ConditionTrue, "Passed", "all checks passed")
}

// checkEndpoints gives what is wrong with what is behind a Service, nil when
// nothing is.
func (m *Manager) checkEndpoints(ctx context.Context, t *target, service *corev1.Service) *apiregistrationv1.APIServiceCondition {
	port := findPort(service, t.remote.port)
	if port == nil {
		c := unavailable("ServicePortError", "service/%s in %q is not listening on port %d", service.Name, service.Namespace, t.remote.port)
		return &c
	}
	slices, err := m.endpointSlices(ctx, service)
	var c apiregistrationv1.APIServiceCondition
	switch {
	case err != nil:
		c = unknown("EndpointsAccessError", "service/%s in %q cannot be checked due to: %v", service.Name, service.Namespace, err)
	case len(slices) == 0:
		c = unavailable("EndpointsNotFound", "cannot find endpointslices for service/%s in %q", service.Name, service.Namespace)
	case !hasEndpoint(slices, port.Name):
		c = unavailable("MissingEndpoints", "endpointslices for service/%s in %q have no addresses with port name %q", service.Name, service.Namespace, port.Name)
	default:
		return nil
	}
	return &c
}

func hasEndpoint(slices []*discoveryv1.EndpointSlice, portName string) bool {
	return len(readyAddresses(slices, portName)) > 0
}

// checkDiscovery asks the server for what every one has to serve. One answer of
// several tries will do; the others come to their end, within askTimeout: a
// metrics-server takes it for an error when its callers go away.
func (m *Manager) checkDiscovery(ctx context.Context, t *target) error {
	results := make(chan error, attempts)
	for range attempts {
		go func() {
			results <- metrics.Protected("aggregator", func() error { return m.tryDiscovery(ctx, t) })
		}()
	}
	var last error
	for range attempts {
		if last = <-results; last == nil {
			return nil
		}
	}
	return last
}

func (m *Manager) tryDiscovery(ctx context.Context, t *target) error {
	address, err := t.remote.pick(ctx, m)
	if err != nil {
		return err
	}
	path := "/apis/" + t.spec.Group + "/" + t.spec.Version
	url := "https://" + address + path
	resp, _, err := t.remote.ask(ctx, address, path, nil)
	switch {
	case err != nil:
		t.remote.close()
		return fmt.Errorf("failing or missing response from %s: %w", url, err)
	case resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("failing or missing response from %s: bad status from %s: %d", url, url, resp.StatusCode)
	}
	return nil
}

// makeLocal says of an APIService that has become this server's that it is
// always available.
func (m *Manager) makeLocal(ctx context.Context, name string) error {
	m.mu.Lock()
	r, ok := m.known[name]
	m.mu.Unlock()
	if !ok || r.spec.Service != nil {
		return nil
	}
	return m.writeCondition(ctx, name, verdict(apiregistrationv1.ConditionTrue, "Local", "Local APIServices are always available"))
}

// writeCondition writes a condition where it says something new.
func (m *Manager) writeCondition(ctx context.Context, name string, c apiregistrationv1.APIServiceCondition) error {
	o, err := m.store.Get(ctx, "", name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	obj, err := m.store.Decode(o)
	if err != nil {
		return err
	}
	s := obj.DeepCopyObject().(*APIService)
	old := conditionOf(s)
	c.LastTransitionTime = metav1.NewTime(m.o.Clock())
	switch {
	case old == nil:
		s.Status.Conditions = append(s.Status.Conditions, c)
	case old.Status == c.Status && old.Reason == c.Reason && old.Message == c.Message:
		count(name, &c, false)
		return nil
	default:
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		*old = c
	}
	count(name, &c, true)
	klog.V(2).InfoS("APIService availability", "name", name, "status", c.Status, "reason", c.Reason, "message", c.Message)
	err = m.o.Client.UpdateSubresource(ctx, apiServices, "status", s)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
