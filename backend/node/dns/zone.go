// Package dns answers the names of a cluster's services to the pods of one node,
// as the specification of DNS for Kubernetes has them
// (https://github.com/kubernetes/dns/blob/master/docs/specification.md), and
// hands all other questions on to the node's own resolvers. Read zone.go (what
// there is), then server.go (how questions are answered).
package dns

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

const (
	// Domain is the cluster's.
	Domain = "cluster.local."
	// ttl is how long an answer holds, in seconds: CoreDNS's number.
	ttl = 5
	// reverse is where addresses are looked up.
	reverse = "in-addr.arpa."
)

// Zone is the names of a cluster at one time. It does not change.
type Zone struct {
	// records are by name, in lower case; a name without any has others below it.
	records map[string][]dns.RR
}

// NewZone gives the names of services and of what is behind them.
func NewZone(services []*corev1.Service, slices []*discoveryv1.EndpointSlice) *Zone {
	z := &Zone{records: map[string][]dns.RR{}}
	z.put(&dns.TXT{Hdr: header("dns-version."+Domain, dns.TypeTXT), Txt: []string{"1.1.0"}})
	behind := map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range slices {
		if s.AddressType == discoveryv1.AddressTypeIPv4 {
			key := s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
			behind[key] = append(behind[key], s)
		}
	}
	for _, s := range services {
		name := fmt.Sprintf("%s.%s.svc.%s", s.Name, s.Namespace, Domain)
		switch {
		case s.Spec.Type == corev1.ServiceTypeExternalName:
			z.put(&dns.CNAME{Hdr: header(name, dns.TypeCNAME), Target: dns.Fqdn(s.Spec.ExternalName)})
		case s.Spec.ClusterIP == corev1.ClusterIPNone:
			z.headless(name, s, behind[s.Namespace+"/"+s.Name])
		default:
			z.service(name, s)
		}
	}
	return z
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// put adds a record, and the names above its own.
func (z *Zone) put(rr dns.RR) {
	name := strings.ToLower(rr.Header().Name)
	for _, known := range z.records[name] {
		if dns.IsDuplicate(known, rr) {
			return
		}
	}
	z.records[name] = append(z.records[name], rr)
	for {
		_, rest, _ := strings.Cut(name, ".")
		if rest == "" {
			return
		}
		name = rest
		if _, ok := z.records[name]; ok {
			return
		}
		z.records[name] = nil
	}
}

func (z *Zone) address(name string, ip netip.Addr) {
	z.put(&dns.A{Hdr: header(name, dns.TypeA), A: ip.AsSlice()})
}

// pointer is the name of an address.
func (z *Zone) pointer(ip netip.Addr, name string) {
	b := ip.As4()
	z.put(&dns.PTR{Hdr: header(fmt.Sprintf("%d.%d.%d.%d.%s", b[3], b[2], b[1], b[0], reverse), dns.TypePTR), Ptr: name})
}

// server is a port of a service at one name.
func (z *Zone) server(name, port string, protocol corev1.Protocol, number int32, target string) {
	if port == "" {
		return
	}
	z.put(&dns.SRV{
		Hdr:  header(fmt.Sprintf("_%s._%s.%s", port, strings.ToLower(string(protocol)), name), dns.TypeSRV),
		Port: uint16(number), Weight: 100, Target: target,
	})
}

// service has one address for all that is behind it.
func (z *Zone) service(name string, s *corev1.Service) {
	for _, text := range s.Spec.ClusterIPs {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Is4() {
			z.address(name, ip)
			z.pointer(ip, name)
		}
	}
	for _, p := range s.Spec.Ports {
		z.server(name, p.Name, p.Protocol, p.Port, name)
	}
}

// headless is a service of which each endpoint is known by its own address.
func (z *Zone) headless(name string, s *corev1.Service, slices []*discoveryv1.EndpointSlice) {
	for _, slice := range slices {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if !ptr.Deref(e.Conditions.Ready, true) && !s.Spec.PublishNotReadyAddresses {
				continue
			}
			for _, text := range e.Addresses {
				ip, err := netip.ParseAddr(text)
				if err != nil || !ip.Is4() {
					continue
				}
				host := ptr.Deref(e.Hostname, "")
				if host == "" {
					host = strings.ReplaceAll(text, ".", "-")
				} else {
					z.pointer(ip, host+"."+name)
				}
				own := host + "." + name
				z.address(name, ip)
				z.address(own, ip)
				for _, p := range slice.Ports {
					z.server(name, ptr.Deref(p.Name, ""), ptr.Deref(p.Protocol, corev1.ProtocolTCP), ptr.Deref(p.Port, 0), own)
				}
			}
		}
	}
}

// find gives what there is of a kind under a name, and whether the name exists.
func (z *Zone) find(name string, kind uint16) (found []dns.RR, exists bool) {
	all, exists := z.records[name]
	if !exists {
		if ip, ok := podName(name); ok {
			all, exists = []dns.RR{&dns.A{Hdr: header(name, dns.TypeA), A: ip.AsSlice()}}, true
		}
	}
	for _, rr := range all {
		if t := rr.Header().Rrtype; t == kind || kind == dns.TypeANY || t == dns.TypeCNAME {
			found = append(found, rr)
		}
	}
	return found, exists
}

// podName is the address that a name like 10-0-0-1.default.pod.cluster.local.
// says itself.
func podName(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(name, ".pod."+Domain)
	dashed, namespace, _ := strings.Cut(rest, ".")
	if !ok || namespace == "" || strings.Contains(namespace, ".") {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.ReplaceAll(dashed, "-", "."))
	return ip, err == nil && ip.Is4()
}
