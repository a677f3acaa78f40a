package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// errAddress refuses addresses that only the API server's own machine has.
var errAddress = apierrors.NewBadRequest("address not allowed")

// podProxy forwards to a port of a pod: "pod", "pod:port" or "scheme:pod:port".
func (s *Server) podProxy(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	to, err := s.podLocation(ctx, c, r)
	if err != nil {
		return nil, err
	}
	below := ""
	if o, ok := c.Options.(*corev1.PodProxyOptions); ok {
		below = o.Path
	}
	return s.forward(ctx, r, to, below, s.pods)
}

func (s *Server) podLocation(ctx context.Context, c registry.Call, r *request.Request) (*url.URL, error) {
	scheme, name, port, ok := utilnet.SplitSchemeNamePort(c.Name)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid pod request %q", c.Name))
	}
	pod, err := get[*corev1.Pod](ctx, c, r, "pods", c.Namespace, name)
	if err != nil {
		return nil, err
	}
	if port == "" {
		port = firstPort(pod)
	}
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	if !isReachable(ip) {
		return nil, errAddress
	}
	to := &url.URL{Scheme: scheme, Host: ip}
	switch {
	case port != "":
		to.Host = net.JoinHostPort(ip, port)
	case strings.Contains(ip, ":"):
		to.Host = "[" + ip + "]"
	}
	return withScheme(to), nil
}

// withScheme fills in http.
func withScheme(to *url.URL) *url.URL {
	if to.Scheme == "" {
		to.Scheme = "http"
	}
	return to
}

// firstPort is the first port that a container of a pod declares.
func firstPort(pod *corev1.Pod) string {
	for i := range pod.Spec.Containers {
		if ports := pod.Spec.Containers[i].Ports; len(ports) > 0 {
			return strconv.Itoa(int(ports[0].ContainerPort))
		}
	}
	return ""
}

// isReachable tells addresses of a network from those of one machine or link.
func isReachable(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Unmap().IsGlobalUnicast()
}

// serviceProxy forwards to a pod behind a port of a service: "service",
// "service:port" or "scheme:service:port", the port by name or number.
func (s *Server) serviceProxy(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	to, err := s.serviceLocation(ctx, c, r)
	if err != nil {
		return nil, err
	}
	below := ""
	if o, ok := c.Options.(*corev1.ServiceProxyOptions); ok {
		below = o.Path
	}
	return s.forward(ctx, r, to, below, s.pods)
}

func (s *Server) serviceLocation(ctx context.Context, c registry.Call, r *request.Request) (*url.URL, error) {
	scheme, name, port, ok := utilnet.SplitSchemeNamePort(c.Name)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid service request %q", c.Name))
	}
	if number, err := strconv.ParseInt(port, 10, 64); err == nil {
		service, err := get[*corev1.Service](ctx, c, r, "services", c.Namespace, name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return int64(p.Port) == number })
		if i < 0 {
			return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %d found for service %q", number, name))
		}
		port = service.Spec.Ports[i].Name
	}
	endpoints, err := get[*corev1.Endpoints](ctx, c, r, "endpoints", c.Namespace, name)
	if err != nil {
		return nil, err
	}
	if len(endpoints.Subsets) == 0 {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", name))
	}
	host, ok := s.anyEndpoint(ctx, c, r, endpoints, port)
	if !ok {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", c.Name))
	}
	return withScheme(&url.URL{Scheme: scheme, Host: host}), nil
}

// anyEndpoint picks a ready address of a port that really is a pod's.
func (s *Server) anyEndpoint(ctx context.Context, c registry.Call, r *request.Request, endpoints *corev1.Endpoints, port string) (string, bool) {
	for _, i := range rand.Perm(len(endpoints.Subsets)) {
		subset := &endpoints.Subsets[i]
		p := slices.IndexFunc(subset.Ports, func(p corev1.EndpointPort) bool { return p.Name == port })
		if p < 0 || len(subset.Addresses) == 0 {
			continue
		}
		first := rand.IntN(len(subset.Addresses))
		for j := range subset.Addresses {
			a := &subset.Addresses[(first+j)%len(subset.Addresses)]
			if s.isPod(ctx, c, r, a) {
				return net.JoinHostPort(a.IP, strconv.Itoa(int(subset.Ports[p].Port))), true
			}
		}
	}
	return "", false
}

// isPod tells whether an address is that of a pod of the request's namespace.
// Endpoints may name any other, to which nobody has the right to be led.
func (s *Server) isPod(ctx context.Context, c registry.Call, r *request.Request, a *corev1.EndpointAddress) bool {
	if a.TargetRef == nil || a.TargetRef.Namespace != c.Namespace {
		return false
	}
	pod, err := get[*corev1.Pod](ctx, c, r, "pods", c.Namespace, a.TargetRef.Name)
	return err == nil && slices.ContainsFunc(pod.Status.PodIPs, func(p corev1.PodIP) bool { return p.IP == a.IP })
}

// nodeProxy forwards to a node: its kubelet, or with "node:port" or
// "scheme:node:port" another port.
func (s *Server) nodeProxy(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	to, transport, err := s.nodeLocation(ctx, c, r)
	if err != nil {
		return nil, err
	}
	below := ""
	if o, ok := c.Options.(*corev1.NodeProxyOptions); ok {
		below = o.Path
	}
	return s.forward(ctx, r, to, below, transport)
}

func (s *Server) nodeLocation(ctx context.Context, c registry.Call, r *request.Request) (*url.URL, *http.Transport, error) {
	scheme, name, port, ok := utilnet.SplitSchemeNamePort(c.Name)
	if !ok {
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("invalid node request %q", c.Name))
	}
	k, err := s.node(ctx, c, r, name)
	if err != nil {
		return nil, nil, err
	}
	if port == "" || port == k.Port {
		return &url.URL{Scheme: k.Scheme, Host: k.Address()}, k.Transport, nil
	}
	if err := reachableHost(ctx, k.Host); err != nil {
		return nil, nil, err
	}
	return withScheme(&url.URL{Scheme: scheme, Host: net.JoinHostPort(k.Host, port)}), s.pods, nil
}

// reachableHost refuses a host one of whose addresses is none of a network.
func reachableHost(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if len(addresses) == 0 {
		return apierrors.NewBadRequest("no IP addresses found")
	}
	for _, a := range addresses {
		if !isReachable(a.IP.String()) {
			return errAddress
		}
	}
	return nil
}
