package aggregator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
)

// There is nothing between this server and a Service's endpoints that would
// make its cluster IP reach them, so requests go to the endpoints, as those of
// kube-apiserver do with --enable-aggregator-routing.

// addresses are where a Service was reached at one time.
type addresses struct {
	moved int64
	list  []string // host:port
	err   error
}

// pick gives one of the addresses behind a server's Service.
func (r *remote) pick(ctx context.Context, m *Manager) (string, error) {
	moved := r.moved.Load()
	a := r.addresses.Load()
	if a == nil || a.moved != moved {
		a = &addresses{moved: moved}
		a.list, a.err = m.resolve(ctx, r.namespace, r.name, r.port)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.addresses.Store(a)
	}
	if a.err != nil {
		return "", a.err
	}
	return a.list[rand.IntN(len(a.list))], nil
}

// resolve gives the addresses that are ready behind a port of a Service.
func (m *Manager) resolve(ctx context.Context, namespace, name string, port int32) ([]string, error) {
	service, err := m.service(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return []string{net.JoinHostPort(service.Spec.ExternalName, strconv.Itoa(int(port)))}, nil
	}
	servicePort := findPort(service, port)
	if servicePort == nil {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %d found for service %q", port, name))
	}
	slices, err := m.endpointSlices(ctx, service)
	if err != nil {
		return nil, err
	}
	list := readyAddresses(slices, servicePort.Name)
	if len(list) == 0 {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", name))
	}
	return list, nil
}

func findPort(s *corev1.Service, port int32) *corev1.ServicePort {
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].Port == port {
			return &s.Spec.Ports[i]
		}
	}
	return nil
}

// readyAddresses gives the first address of every endpoint that is ready, on the
// port of a name. Those of one slice's address type are given only: the first
// slice's, which is that of the Service's primary family.
func readyAddresses(slices []*discoveryv1.EndpointSlice, portName string) []string {
	var out []string
	var family discoveryv1.AddressType
	for _, s := range slices {
		for _, p := range s.Ports {
			if p.Port == nil || p.Name == nil || *p.Name != portName {
				continue
			}
			for i := range s.Endpoints {
				e := &s.Endpoints[i]
				if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 || family != "" && family != s.AddressType {
					continue
				}
				family = s.AddressType
				out = append(out, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*p.Port))))
			}
		}
	}
	return out
}

func (m *Manager) service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	o, err := m.services.Get(ctx, namespace, name, registry.GetOptions{})
	if err != nil {
		return nil, err
	}
	obj, err := m.services.Decode(o)
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Service), nil
}

// endpointSlices gives the slices of a Service, those of its primary address
// family first. Endpoints that somebody wrote by hand count as a slice each
// when there are none: the controller that mirrors them may not run here.
func (m *Manager) endpointSlices(ctx context.Context, service *corev1.Service) ([]*discoveryv1.EndpointSlice, error) {
	list, err := m.slices.List(ctx, registry.ListOptions{
		Namespace: service.Namespace, Labels: labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}),
	})
	if err != nil {
		return nil, err
	}
	var first, rest []*discoveryv1.EndpointSlice
	for _, o := range list.Items {
		obj, err := m.slices.Decode(o)
		if err != nil {
			return nil, err
		}
		s := obj.(*discoveryv1.EndpointSlice)
		if f := service.Spec.IPFamilies; len(f) == 0 || string(f[0]) == string(s.AddressType) {
			first = append(first, s)
		} else {
			rest = append(rest, s)
		}
	}
	if len(list.Items) == 0 {
		return m.mirrored(ctx, service)
	}
	return append(first, rest...), nil
}

func (m *Manager) mirrored(ctx context.Context, service *corev1.Service) ([]*discoveryv1.EndpointSlice, error) {
	o, err := m.endpoints.Get(ctx, service.Namespace, service.Name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	obj, err := m.endpoints.Decode(o)
	if err != nil {
		return nil, err
	}
	var out []*discoveryv1.EndpointSlice
	for _, subset := range obj.(*corev1.Endpoints).Subsets { //nolint:staticcheck // people still write them
		s := &discoveryv1.EndpointSlice{}
		for _, a := range subset.Addresses {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a.IP}})
		}
		for i := range subset.Ports {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &subset.Ports[i].Name, Port: &subset.Ports[i].Port})
		}
		out = append(out, s)
	}
	return out, nil
}
