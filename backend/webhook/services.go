package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Services resolves Services to one of their ready endpoints: from EndpointSlices,
// from Endpoints where nobody makes slices, from the external name. A cluster IP
// is the last resort, since nobody may be there who forwards it.
func Services(r *registry.Registry) Resolve {
	return func(_ context.Context, namespace, name string, port int32) (string, error) {
		var service corev1.Service
		if !read(r, "", "services", namespace, name, &service) {
			return "", apierrors.NewNotFound(corev1.Resource("service"), name)
		}
		p, ok := portOf(&service, port)
		if !ok {
			return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %d found for service %q", port, name))
		}
		if service.Spec.Type == corev1.ServiceTypeExternalName {
			return join(service.Spec.ExternalName, port), nil
		}
		addresses := fromSlices(r, &service, p)
		if len(addresses) == 0 {
			addresses = fromEndpoints(r, &service, p)
		}
		if len(addresses) > 0 {
			return addresses[rand.IntN(len(addresses))], nil
		}
		if len(service.Spec.Selector) == 0 && service.Spec.ClusterIP != "" && service.Spec.ClusterIP != corev1.ClusterIPNone {
			return join(service.Spec.ClusterIP, port), nil
		}
		return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", name))
	}
}

func join(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// read decodes the current state of an object, false when there is none.
func read(r *registry.Registry, group, resource, namespace, name string, into any) bool {
	store := r.Store(group, resource)
	if store == nil {
		return false
	}
	o := store.Peek(namespace, name)
	return o != nil && json.Unmarshal(o.Raw, into) == nil
}

func portOf(s *corev1.Service, number int32) (*corev1.ServicePort, bool) {
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].Port == number {
			return &s.Spec.Ports[i], true
		}
	}
	// An external name needs no ports.
	return &corev1.ServicePort{Port: number}, s.Spec.Type == corev1.ServiceTypeExternalName
}

func fromSlices(r *registry.Registry, s *corev1.Service, p *corev1.ServicePort) (addresses []string) {
	store := r.Store(discoveryv1.GroupName, "endpointslices")
	if store == nil {
		return nil
	}
	store.Each(s.Namespace, func(o *watchcache.Object) bool {
		if o.Labels.Get(discoveryv1.LabelServiceName) != s.Name {
			return true
		}
		var slice discoveryv1.EndpointSlice
		if json.Unmarshal(o.Raw, &slice) != nil {
			return true
		}
		for _, port := range slice.Ports {
			if port.Port == nil || port.Name != nil && *port.Name != p.Name || port.Name == nil && p.Name != "" {
				continue
			}
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					for _, a := range e.Addresses {
						addresses = append(addresses, join(a, *port.Port))
					}
				}
			}
		}
		return true
	})
	return addresses
}

func fromEndpoints(r *registry.Registry, s *corev1.Service, p *corev1.ServicePort) (addresses []string) {
	var e corev1.Endpoints //nolint:staticcheck // older clients write nothing else
	if !read(r, "", "endpoints", s.Namespace, s.Name, &e) {
		return nil
	}
	for _, subset := range e.Subsets {
		for _, port := range subset.Ports {
			if port.Name != p.Name {
				continue
			}
			for _, a := range subset.Addresses {
				addresses = append(addresses, join(a.IP, port.Port))
			}
		}
	}
	return addresses
}
