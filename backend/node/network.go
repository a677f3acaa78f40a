package node

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"
	"pilothouse/backend/node/dns"
	"pilothouse/backend/node/runtime"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// Proxies is the User-Agent of what makes services work.
const Proxies = "kube-proxy"

// ProxyUser is who it is to the API: its role sees services and their endpoints.
func ProxyUser() *request.User {
	return &request.User{Name: "system:kube-proxy", Groups: []string{request.GroupAuthenticated}}
}

// gatherChanges is how long changes of services are gathered.
const gatherChanges = 20 * time.Millisecond

var slicesResource = discoveryv1.SchemeGroupVersion.WithResource("endpointslices")

// network makes services and names work for the pods of a runtime that has a
// network of its own: the part of a kube-proxy and of a cluster DNS.
type network struct {
	agent   *Agent
	runtime runtime.Networker
	// slices are nil where nobody lets the agent see them.
	slices  *informer.Informer[*discoveryv1.EndpointSlice]
	changed chan struct{}
	names   *dns.Server
	packets net.PacketConn
	streams net.Listener
	// api is where pods reach the API.
	api  netip.AddrPort
	last []runtime.Virtual
}

func newNetwork(a *Agent, r runtime.Networker) *network {
	n := &network{agent: a, runtime: r, changed: make(chan struct{}, 1), names: dns.NewServer(resolvers)}
	notify := func() {
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
	a.services.OnChange(func(_, _ *corev1.Service) { notify() })
	if a.Proxier != nil {
		n.slices = informer.New(a.Proxier, slicesResource, "", func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} }).
			OnChange(func(_, _ *discoveryv1.EndpointSlice) { notify() })
	}
	return n
}

// resolvers are the node's own.
func resolvers() []string {
	var out []string
	for _, s := range hostDNS().Servers {
		out = append(out, net.JoinHostPort(s, "53"))
	}
	return out
}

// open begins to listen, and gives pods what is known by now.
func (n *network) open() (err error) {
	if n.packets, n.streams, err = n.runtime.ListenNames(); err != nil {
		return err
	}
	if n.agent.API != "" {
		if n.api, err = n.runtime.Forward(n.agent.API); err != nil {
			n.packets.Close()
			n.streams.Close()
			return err
		}
	}
	n.update()
	return nil
}

// run follows the services until ctx ends.
func (n *network) run(ctx context.Context) {
	ended := make(chan struct{}, 2)
	running := 1
	go func() {
		metrics.Kept(ctx, "node", func() { n.names.Run(ctx, n.packets, n.streams) })()
		ended <- struct{}{}
	}()
	if n.slices != nil {
		running++
		go func() {
			metrics.Kept(ctx, "node", func() { n.slices.Run(ctx) })() //nolint:errcheck // it ends with the context
			ended <- struct{}{}
		}()
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-n.changed:
			sleep(ctx, gatherChanges)
			n.update()
		}
	}
	for range running {
		<-ended
	}
}

// update tells the runtime and the names what there is now.
func (n *network) update() {
	services := n.agent.services.List()
	var known []*discoveryv1.EndpointSlice
	if n.slices != nil {
		known = n.slices.List()
	}
	n.names.Set(dns.NewZone(services, known))
	next := n.virtual(services, known)
	if !reflect.DeepEqual(next, n.last) {
		n.runtime.Translate(next)
		n.last = next
		klog.V(3).InfoS("Services of pods have changed", "addresses", len(next))
	}
}

// virtual gives the table of services' addresses, in an order of its own.
func (n *network) virtual(services []*corev1.Service, known []*discoveryv1.EndpointSlice) []runtime.Virtual {
	of := map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range known {
		if s.AddressType == discoveryv1.AddressTypeIPv4 {
			key := informer.Key(s.Namespace, s.Labels[discoveryv1.LabelServiceName])
			of[key] = append(of[key], s)
		}
	}
	var out []runtime.Virtual
	for _, s := range services {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone {
			continue
		}
		api := isAPI(s) && n.api.IsValid()
		for _, text := range slices.Concat(s.Spec.ClusterIPs, s.Spec.ExternalIPs) {
			ip, err := netip.ParseAddr(text)
			if err != nil || !ip.Is4() {
				continue
			}
			for i := range s.Spec.Ports {
				p := &s.Spec.Ports[i]
				v := runtime.Virtual{
					Protocol: cmp.Or(p.Protocol, corev1.ProtocolTCP), At: netip.AddrPortFrom(ip, uint16(p.Port)),
					Sticky: s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP,
				}
				switch {
				case api:
					v.Behind = []netip.AddrPort{n.api}
				case n.slices == nil:
					continue
				default:
					v.Behind = n.behind(s, p, of[informer.Key(s.Namespace, s.Name)])
				}
				out = append(out, v)
			}
		}
	}
	slices.SortFunc(out, func(a, b runtime.Virtual) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out
}

// isAPI tells the service that is the API itself.
func isAPI(s *corev1.Service) bool {
	return s.Namespace == corev1.NamespaceDefault && s.Name == "kubernetes"
}

// behind gives the endpoints of a service's port: the ready ones, and if there
// are none those that still serve while they end, as a kube-proxy.
func (n *network) behind(s *corev1.Service, p *corev1.ServicePort, known []*discoveryv1.EndpointSlice) []netip.AddrPort {
	local := ptr.Deref(s.Spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster) == corev1.ServiceInternalTrafficPolicyLocal
	var ready, ending []netip.AddrPort
	for _, slice := range known {
		at := slices.IndexFunc(slice.Ports, func(e discoveryv1.EndpointPort) bool {
			return ptr.Deref(e.Name, "") == p.Name && ptr.Deref(e.Protocol, corev1.ProtocolTCP) == cmp.Or(p.Protocol, corev1.ProtocolTCP)
		})
		if at < 0 || slice.Ports[at].Port == nil {
			continue
		}
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if len(e.Addresses) == 0 || local && ptr.Deref(e.NodeName, "") != n.agent.Name {
				continue
			}
			ip, err := netip.ParseAddr(e.Addresses[0])
			if err != nil || !ip.Is4() {
				continue
			}
			to := netip.AddrPortFrom(ip, uint16(*slice.Ports[at].Port))
			switch {
			case ptr.Deref(e.Conditions.Ready, true):
				ready = append(ready, to)
			case ptr.Deref(e.Conditions.Serving, false) && ptr.Deref(e.Conditions.Terminating, false):
				ending = append(ending, to)
			}
		}
	}
	if len(ready) == 0 {
		ready = ending
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}

// dnsOf is what a pod's resolv.conf says: the gateway answers, names of services
// first unless the pod wants the node's names only.
func (n *network) dnsOf(pod *corev1.Pod, host *cri.DNSConfig) *cri.DNSConfig {
	d := &cri.DNSConfig{Servers: []string{n.runtime.Gateway().String()}, Searches: host.Searches, Options: host.Options}
	if pod.Spec.DNSPolicy == corev1.DNSDefault {
		return d
	}
	d.Searches = append([]string{pod.Namespace + ".svc.cluster.local", "svc.cluster.local", "cluster.local"}, host.Searches...)
	d.Options = []string{"ndots:5"}
	return d
}
