// Package endpoints keeps the EndpointSlices and the Endpoints of Services that
// select pods: the addresses of the pods, whether they are ready, where they run
// and which of their ports the Service leads to. Read watch.go first, then
// slices.go for EndpointSlices and subsets.go for Endpoints.
package endpoints

import (
	"net/netip"
	"slices"
	"strings"

	"pilothouse/backend/controllers/pods"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// selects tells whether a Service has endpoints that are made here.
func selects(s *corev1.Service) bool {
	return s.Spec.Selector != nil && s.Spec.Type != corev1.ServiceTypeExternalName && s.DeletionTimestamp == nil
}

func headless(s *corev1.Service) bool { return s.Spec.ClusterIP == corev1.ClusterIPNone }

// podsOf gives the pods of a Service that have or had addresses, in the order of
// their names.
func (c *controller) podsOf(s *corev1.Service) []*corev1.Pod {
	found := c.pods.List(s.Namespace, labels.SelectorFromSet(s.Spec.Selector), nil)
	found = slices.DeleteFunc(found, func(p *corev1.Pod) bool { return pods.Over(p) || p.Status.PodIP == "" && len(p.Status.PodIPs) == 0 })
	slices.SortFunc(found, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// addressOf gives a pod's address of a family.
func addressOf(p *corev1.Pod, family corev1.IPFamily) string {
	addresses := p.Status.PodIPs
	if len(addresses) == 0 {
		addresses = []corev1.PodIP{{IP: p.Status.PodIP}}
	}
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a.IP); err == nil && ip.Unmap().Is4() == (family == corev1.IPv4Protocol) {
			return a.IP
		}
	}
	return ""
}

// families gives the families of addresses that a Service has, IPv4 when nobody
// has said so yet.
func families(s *corev1.Service) []corev1.IPFamily {
	if len(s.Spec.IPFamilies) > 0 {
		return s.Spec.IPFamilies
	}
	if ip, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil && ip.Is6() {
		return []corev1.IPFamily{corev1.IPv6Protocol}
	}
	return []corev1.IPFamily{corev1.IPv4Protocol}
}

// hasHostname tells whether a pod has a name of its own below the Service's.
func hasHostname(p *corev1.Pod, s *corev1.Service) bool {
	return p.Spec.Hostname != "" && p.Spec.Subdomain == s.Name && p.Namespace == s.Namespace
}

func targetOf(p *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID}
}

// portsOf gives the ports of a pod that a Service leads to. A port by a name that
// the pod has not is left out.
func portsOf(s *corev1.Service, p *corev1.Pod) []discoveryv1.EndpointPort {
	out := []discoveryv1.EndpointPort{}
	for i := range s.Spec.Ports {
		port := &s.Spec.Ports[i]
		number, ok := pods.Port(p, port)
		if !ok {
			continue
		}
		name, protocol := port.Name, port.Protocol
		out = append(out, discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol, AppProtocol: port.AppProtocol})
	}
	return out
}

// labelsOf gives the labels of what is made for a Service: its own, apart from
// those that say whose work it is.
func labelsOf(s *corev1.Service) map[string]string {
	out := map[string]string{}
	for k, v := range s.Labels {
		switch k {
		case discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, corev1.IsHeadlessService, managedByLabel:
		default:
			out[k] = v
		}
	}
	if headless(s) {
		out[corev1.IsHeadlessService] = ""
	}
	return out
}
