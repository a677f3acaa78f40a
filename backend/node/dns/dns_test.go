package dns

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func service(name string, spec corev1.ServiceSpec) *corev1.Service {
	if spec.ClusterIP != "" {
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: spec}
}

func testZone() *Zone {
	https := []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("sql"), Port: ptr.To[int32](5432), Protocol: ptr.To(corev1.ProtocolTCP)}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.1.0.5"}, Hostname: ptr.To("db-0"), Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}},
			{Addresses: []string{"10.1.0.6"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}},
			{Addresses: []string{"10.1.0.7"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(false)}},
		},
	}
	return NewZone([]*corev1.Service{
		service("web", corev1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: https}),
		service("db", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}),
		service("out", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"}),
		service("alias", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "web.shop.svc.cluster.local"}),
	}, []*discoveryv1.EndpointSlice{slice})
}

// serve runs a handler on a loopback port for both protocols.
func serve(t *testing.T, h dns.Handler) string {
	t.Helper()
	var packets net.PacketConn
	var streams net.Listener
	for tries := 0; streams == nil; tries++ { // a free port of the one may be another program's of the other
		var err error
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if streams, err = net.Listen("tcp", packets.LocalAddr().String()); err != nil {
			packets.Close()
			if tries == 50 {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	go (&dns.Server{PacketConn: packets, Handler: h}).ActivateAndServe()
	go (&dns.Server{Listener: streams, Handler: h}).ActivateAndServe()
	return packets.LocalAddr().String()
}

func TestNamesOfServices(t *testing.T) {
	upstream := serve(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: header(q.Question[0].Name, dns.TypeA), A: net.IPv4(192, 0, 2, 9)}}
		}
		w.WriteMsg(m)
	}))
	s := NewServer(func() []string { return []string{upstream} })
	s.Set(testZone())
	at := serve(t, s)
	ask := func(network, name string, kind uint16, wantCode int, want ...string) {
		t.Helper()
		q := new(dns.Msg)
		q.SetQuestion(name, kind)
		a, _, err := (&dns.Client{Net: network, Timeout: 30 * time.Second}).Exchange(q, at)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, rr := range a.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				got = append(got, rr.A.String())
			case *dns.SRV:
				got = append(got, fmt.Sprintf("%s:%d", rr.Target, rr.Port))
			case *dns.CNAME:
				got = append(got, "= "+rr.Target)
			case *dns.PTR:
				got = append(got, rr.Ptr)
			}
		}
		if slices.Sort(got); a.Rcode != wantCode || strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s %s: %s %v, want %s %v", name, dns.TypeToString[kind], dns.RcodeToString[a.Rcode], got, dns.RcodeToString[wantCode], want)
		}
		if a.Rcode == dns.RcodeNameError && len(a.Ns) != 1 {
			t.Errorf("%s: nobody says how long it is missing", name)
		}
	}
	const ok, missing = dns.RcodeSuccess, dns.RcodeNameError
	for _, network := range []string{"udp", "tcp"} {
		ask(network, "web.shop.svc.cluster.local.", dns.TypeA, ok, "10.96.0.7")
		ask(network, "example.com.", dns.TypeA, ok, "192.0.2.9")
	}
	ask("udp", "WEB.shop.SVC.cluster.local.", dns.TypeA, ok, "10.96.0.7")
	ask("udp", "web.shop.svc.cluster.local.", dns.TypeAAAA, ok)
	ask("udp", "shop.svc.cluster.local.", dns.TypeA, ok)
	ask("udp", "none.shop.svc.cluster.local.", dns.TypeA, missing)
	ask("udp", "example.com.shop.svc.cluster.local.", dns.TypeA, missing)
	ask("udp", "_https._tcp.web.shop.svc.cluster.local.", dns.TypeSRV, ok, "web.shop.svc.cluster.local.:443")
	ask("udp", "7.0.96.10.in-addr.arpa.", dns.TypePTR, ok, "web.shop.svc.cluster.local.")
	ask("udp", "db.shop.svc.cluster.local.", dns.TypeA, ok, "10.1.0.5", "10.1.0.6")
	ask("udp", "db-0.db.shop.svc.cluster.local.", dns.TypeA, ok, "10.1.0.5")
	ask("udp", "_sql._tcp.db.shop.svc.cluster.local.", dns.TypeSRV, ok, "10-1-0-6.db.shop.svc.cluster.local.:5432", "db-0.db.shop.svc.cluster.local.:5432")
	ask("udp", "5.0.1.10.in-addr.arpa.", dns.TypePTR, ok, "db-0.db.shop.svc.cluster.local.")
	ask("udp", "out.shop.svc.cluster.local.", dns.TypeA, ok, "192.0.2.9", "= example.org.")
	ask("udp", "alias.shop.svc.cluster.local.", dns.TypeA, ok, "10.96.0.7", "= web.shop.svc.cluster.local.")
	ask("udp", "10-1-0-9.shop.pod.cluster.local.", dns.TypeA, ok, "10.1.0.9")
	ask("udp", "10-1-0.shop.pod.cluster.local.", dns.TypeA, missing)
	at = serve(t, NewServer(func() []string { return nil }))
	ask("udp", "example.com.", dns.TypeA, dns.RcodeServerFailure)
}

func TestLongAnswersAreCutInPackets(t *testing.T) {
	var slice discoveryv1.EndpointSlice
	slice.Namespace, slice.Labels, slice.AddressType = "shop", map[string]string{discoveryv1.LabelServiceName: "db"}, discoveryv1.AddressTypeIPv4
	for i := range 100 {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.1.0.%d", i+1)}})
	}
	s := NewServer(func() []string { return nil })
	s.Set(NewZone([]*corev1.Service{service("db", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone})}, []*discoveryv1.EndpointSlice{&slice}))
	at := serve(t, s)
	q := new(dns.Msg)
	q.SetQuestion("db.shop.svc.cluster.local.", dns.TypeA)
	a, _, err := (&dns.Client{Net: "udp", Timeout: 30 * time.Second}).Exchange(q, at)
	if err != nil || !a.Truncated {
		t.Fatalf("%v, truncated %v", err, a.Truncated)
	}
	if a, _, err = (&dns.Client{Net: "tcp", Timeout: 30 * time.Second}).Exchange(q, at); err != nil || len(a.Answer) != 100 {
		t.Fatalf("%v, %d answers", err, len(a.Answer))
	}
}
