package core_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/core"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *server) addresses() map[string]string {
	s.t.Helper()
	store := s.store("networking.k8s.io", "ipaddresses")
	list, err := store.List(s.ctx, registry.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, item := range list.Items {
		obj, err := store.Decode(item)
		if err != nil {
			s.t.Fatal(err)
		}
		out[item.Name] = obj.(*networkingv1.IPAddress).Spec.ParentRef.Name
	}
	return out
}

func specJSON(t *testing.T, svc *corev1.Service) string {
	t.Helper()
	b, err := json.Marshal(svc.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServiceGetsAnAddress(t *testing.T) {
	s := newServer(t)
	svc, err := create(s, s.services(), service("plain", corev1.ServiceSpec{Ports: ports(80)}), false)
	if err != "" {
		t.Fatal(err)
	}
	ip := svc.Spec.ClusterIP
	if !strings.HasPrefix(ip, "10.0.0.") || len(svc.Spec.ClusterIPs) != 1 || svc.Spec.ClusterIPs[0] != ip {
		t.Errorf("addresses %q %v", ip, svc.Spec.ClusterIPs)
	}
	want := `{"ports":[{"protocol":"TCP","port":80,"targetPort":80}],"clusterIP":"` + ip + `","clusterIPs":["` + ip + `"],` +
		`"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}`
	if got := specJSON(t, svc); got != want {
		t.Errorf("spec\n%s, want\n%s", got, want)
	}
	if s.addresses()[ip] != "plain" {
		t.Errorf("addresses %v", s.addresses())
	}
	if _, err := s.services().Delete(s.ctx, "ns", "plain", registry.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(s.addresses()) != 0 {
		t.Errorf("addresses after the delete: %v", s.addresses())
	}
}

// Each creation answers as Kubernetes does.
func TestServiceCreateErrors(t *testing.T) {
	s := newServer(t)
	f := func(name string, spec corev1.ServiceSpec, want string) {
		t.Helper()
		_, err := create(s, s.services(), service(name, spec), false)
		if want != "" {
			want = `Service "` + name + `" is invalid: ` + want
		}
		if err != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, err, want)
		}
	}
	f("fixed", corev1.ServiceSpec{ClusterIP: "10.0.0.14", Ports: ports(80)}, "")
	f("taken", corev1.ServiceSpec{ClusterIP: "10.0.0.14", Ports: ports(80)}, `spec.clusterIPs: Invalid value: ["10.0.0.14"]: failed to allocate IP 10.0.0.14: provided IP is already allocated`)
	f("range", corev1.ServiceSpec{ClusterIP: "192.168.7.7", Ports: ports(80)}, `spec.clusterIPs: Invalid value: ["192.168.7.7"]: failed to allocate IP 192.168.7.7: the provided network does not match the current range`)
	f("text", corev1.ServiceSpec{ClusterIP: "nowhere", Ports: ports(80)}, `spec.clusterIPs[0]: Invalid value: "nowhere": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`)
	f("ext", corev1.ServiceSpec{Type: "ExternalName", ExternalName: "a.b", ClusterIP: "10.0.0.9"}, `spec.clusterIPs: Forbidden: may not be set for ExternalName services`)
	f("dual", corev1.ServiceSpec{Ports: ports(80), IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack)}, `spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services`)
	f("six", corev1.ServiceSpec{Ports: ports(80), IPFamilies: []corev1.IPFamily{"IPv6"}}, `spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster`)
	f("six2", corev1.ServiceSpec{Ports: ports(80), ClusterIP: "fd00::1"}, `spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster`)
	f("np", corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30042}}}, "")
	f("np2", corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30042}}}, `spec.ports[0].nodePort: Invalid value: 30042: provided port is already allocated`)
	f("np3", corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: 80, NodePort: 8080}}}, `spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid range. The range of valid ports is 30000-32767`)
	f("np4", corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, NodePort: 30043}}}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'")
	f("names", corev1.ServiceSpec{Ports: ports(80, 81)}, `[spec.ports[0].name: Required value, spec.ports[1].name: Required value]`)
	f("none", corev1.ServiceSpec{}, `spec.ports: Required value`)
	f("headless-np", corev1.ServiceSpec{Type: "NodePort", ClusterIP: "None", Selector: map[string]string{"a": "b"}, Ports: ports(80)}, `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`)
	f("9.dots", corev1.ServiceSpec{Ports: ports(80)}, `metadata.name: Invalid value: "9.dots": must not contain dots`)
	f("twice", corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "a", Port: 80}, {Name: "b", Port: 80}}},
		`spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}`)
	f("affinity", corev1.ServiceSpec{Ports: ports(80), SessionAffinity: "ClientIP", SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(int32(90000))}}},
		`spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400`)
	f("far", corev1.ServiceSpec{Ports: ports(80), TrafficDistribution: new("Far")}, `spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"`)
	f("zeros", corev1.ServiceSpec{Ports: ports(80), ExternalIPs: []string{"010.0.0.1", "127.0.0.1"}},
		`[spec.externalIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s, spec.externalIPs[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)]`)
	// What failed took nothing.
	if got := s.addresses(); len(got) != 2 {
		t.Errorf("addresses %v", got)
	}
	f("np5", corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30043}}}, "")
}

func TestServiceTypeChanges(t *testing.T) {
	s := newServer(t)
	must := func(change func(*corev1.Service)) *corev1.Service {
		t.Helper()
		svc, err := update(s, s.services(), "ns", "web", change)
		if err != "" {
			t.Fatal(err)
		}
		return svc
	}
	svc, err := create(s, s.services(), service("web", corev1.ServiceSpec{ClusterIP: "10.0.0.12", Ports: ports(80)}), false)
	if err != "" {
		t.Fatal(err)
	}
	svc = must(func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.Ports[0].NodePort = "NodePort", 30011
	})
	if svc.Spec.ExternalTrafficPolicy != "Cluster" || svc.Spec.ClusterIP != "10.0.0.12" {
		t.Errorf("node port: %s", specJSON(t, svc))
	}
	svc = must(func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.ExternalTrafficPolicy = "LoadBalancer", "Local"
	})
	health := svc.Spec.HealthCheckNodePort
	if svc.Spec.Ports[0].NodePort != 30011 || health == 0 || svc.Spec.AllocateLoadBalancerNodePorts == nil {
		t.Errorf("load balancer: %s", specJSON(t, svc))
	}
	// The same PUT without what was allocated keeps it.
	svc = must(func(svc *corev1.Service) {
		svc.Spec = corev1.ServiceSpec{Type: "LoadBalancer", ExternalTrafficPolicy: "Local", Ports: ports(81)}
	})
	if svc.Spec.Ports[0].NodePort != 30011 || svc.Spec.HealthCheckNodePort != health || svc.Spec.ClusterIPs[0] != "10.0.0.12" {
		t.Errorf("put: %s", specJSON(t, svc))
	}
	svc = must(func(svc *corev1.Service) { svc.Spec.Type = "ClusterIP" })
	want := `{"ports":[{"protocol":"TCP","port":81,"targetPort":81}],"clusterIP":"10.0.0.12","clusterIPs":["10.0.0.12"],"type":"ClusterIP",` +
		`"sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}`
	if got := specJSON(t, svc); got != want {
		t.Errorf("cluster IP again\n%s, want\n%s", got, want)
	}
	// Both ports are free now.
	other := corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Name: "a", Port: 1, NodePort: 30011}, {Name: "b", Port: 2, NodePort: health}}}
	if _, err := create(s, s.services(), service("other", other), false); err != "" {
		t.Error(err)
	}
	svc = must(func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.ExternalName = "ExternalName", "a.example.com"
	})
	if got := specJSON(t, svc); got != `{"ports":[{"protocol":"TCP","port":81,"targetPort":81}],"type":"ExternalName","sessionAffinity":"None","externalName":"a.example.com"}` {
		t.Errorf("external name: %s", got)
	}
	if _, taken := s.addresses()["10.0.0.12"]; taken {
		t.Error("the address of an ExternalName service is taken")
	}
	svc = must(func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.ExternalName, svc.Spec.ClusterIP = "ClusterIP", "", "10.0.0.13"
	})
	if svc.Spec.ClusterIPs[0] != "10.0.0.13" || s.addresses()["10.0.0.13"] != "web" {
		t.Errorf("back: %s, %v", specJSON(t, svc), s.addresses())
	}
}

func TestServiceUpdateErrors(t *testing.T) {
	s := newServer(t)
	if _, err := create(s, s.services(), service("fixed", corev1.ServiceSpec{ClusterIP: "10.0.0.14", Ports: ports(80)}), false); err != "" {
		t.Fatal(err)
	}
	f := func(want string, change func(*corev1.ServiceSpec)) {
		t.Helper()
		_, err := update(s, s.services(), "ns", "fixed", func(svc *corev1.Service) { change(&svc.Spec) })
		if want != "" {
			want = `Service "fixed" is invalid: ` + want
		}
		if err != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
	f(`spec.clusterIPs[0]: Invalid value: ["10.0.0.15"]: may not change once set`, func(spec *corev1.ServiceSpec) {
		spec.ClusterIP, spec.ClusterIPs = "10.0.0.15", []string{"10.0.0.15"}
	})
	f(`spec.clusterIPs[0]: Invalid value: ["10.0.0.15"]: may not change once set`, func(spec *corev1.ServiceSpec) {
		spec.ClusterIP, spec.ClusterIPs = "10.0.0.15", nil
	})
	f("spec.clusterIPs: Invalid value: [\"10.0.0.15\"]: first value must match `clusterIP`", func(spec *corev1.ServiceSpec) {
		spec.ClusterIPs = []string{"10.0.0.15"}
	})
	f("", func(spec *corev1.ServiceSpec) { *spec = corev1.ServiceSpec{Ports: ports(81)} })
	f(`spec.externalName: Required value`, func(spec *corev1.ServiceSpec) { spec.Type = "ExternalName" })
	f("spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'", func(spec *corev1.ServiceSpec) { spec.LoadBalancerClass = new("x/y") })
}

func TestHeadlessServices(t *testing.T) {
	s := newServer(t)
	selected, err := create(s, s.services(), service("a", corev1.ServiceSpec{ClusterIP: "None", Selector: map[string]string{"a": "b"}}), false)
	if err != "" || len(selected.Spec.IPFamilies) != 1 || *selected.Spec.IPFamilyPolicy != "SingleStack" {
		t.Errorf("with selector: %v %s", selected, err)
	}
	bare, err := create(s, s.services(), service("b", corev1.ServiceSpec{ClusterIP: "None", Ports: ports(1)}), false)
	if err != "" || len(bare.Spec.IPFamilies) != 2 || *bare.Spec.IPFamilyPolicy != "RequireDualStack" {
		t.Errorf("without selector: %v %s", bare, err)
	}
	if len(s.addresses()) != 0 {
		t.Errorf("addresses %v", s.addresses())
	}
}

func TestServiceDryRunTakesNothing(t *testing.T) {
	s := newServer(t)
	svc, err := create(s, s.services(), service("a", corev1.ServiceSpec{Type: "NodePort", Ports: ports(80)}), true)
	if err != "" || svc.Spec.ClusterIP != "10.0.0.0" || svc.Spec.Ports[0].NodePort != 32769 {
		t.Errorf("dry run: %v %s", svc, err)
	}
	svc, err = create(s, s.services(), service("a", corev1.ServiceSpec{Type: "NodePort", ClusterIP: "10.0.0.7", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30001}}}), true)
	if err != "" || svc.Spec.ClusterIP != "10.0.0.7" {
		t.Errorf("dry run: %v %s", svc, err)
	}
	if len(s.addresses()) != 0 {
		t.Errorf("addresses %v", s.addresses())
	}
	if _, err := create(s, s.services(), service("a", corev1.ServiceSpec{Type: "NodePort", ClusterIP: "10.0.0.7", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30001}}}), false); err != "" {
		t.Error(err)
	}
}

func TestServiceRangeFull(t *testing.T) {
	s := newServer(t)
	for i := range 254 {
		svc := service("s"+string(rune('a'+i/26))+string(rune('a'+i%26)), corev1.ServiceSpec{Ports: ports(80)})
		if _, err := create(s, s.services(), svc, false); err != "" {
			t.Fatalf("service %d: %s", i, err)
		}
	}
	_, err := create(s, s.services(), service("last", corev1.ServiceSpec{Ports: ports(80)}), false)
	if err != "Internal error occurred: failed to allocate a serviceIP: range is full" {
		t.Errorf("got %s", err)
	}
	// Another ServiceCIDR gives more.
	cidrs := s.store("networking.k8s.io", "servicecidrs")
	if err := core.Repair(s.ctx, s.env); err != nil {
		t.Fatal(err)
	}
	more := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.0.9.0/28"}}}
	if _, err := create(s, cidrs, more, false); err != "" {
		t.Fatal(err)
	}
	svc, err := create(s, s.services(), service("last", corev1.ServiceSpec{Ports: ports(80)}), false)
	if err != "" || !strings.HasPrefix(svc.Spec.ClusterIP, "10.0.9.") {
		t.Errorf("with more: %v %s", svc, err)
	}
}

// After a crash between the two writes of a Service, or with addresses lost,
// Repair brings objects in line.
func TestRepair(t *testing.T) {
	engine := memory.New()
	s := newServerOver(t, engine)
	for _, name := range []string{"kept", "lost"} {
		if _, err := create(s, s.services(), service(name, corev1.ServiceSpec{Ports: ports(80)}), false); err != "" {
			t.Fatal(err)
		}
	}
	ips := s.store("networking.k8s.io", "ipaddresses")
	lost, err := s.services().Get(s.ctx, "ns", "lost", registry.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.services().Decode(lost)
	if err != nil {
		t.Fatal(err)
	}
	ip := obj.(*corev1.Service).Spec.ClusterIP
	if _, err := ips.Delete(s.ctx, "", ip, registry.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	orphan := func(name, manager string) *networkingv1.IPAddress {
		return &networkingv1.IPAddress{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{networkingv1.LabelManagedBy: manager}},
			Spec:       networkingv1.IPAddressSpec{ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: "ns", Name: "gone"}},
		}
	}
	for _, o := range []*networkingv1.IPAddress{orphan("10.0.0.2", "ipallocator.k8s.io"), orphan("10.0.0.3", "somebody")} {
		if _, err := create(s, ips, o, false); err != "" {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := core.Repair(s.ctx, s.env); err != nil {
			t.Fatal(err)
		}
		got := s.addresses()
		if got[ip] != "lost" || got["10.0.0.2"] != "" || got["10.0.0.3"] != "gone" || len(got) != 3 {
			t.Errorf("addresses %v", got)
		}
	}
	cidrs := s.store("networking.k8s.io", "servicecidrs")
	kubernetes, err := cidrs.Get(s.ctx, "", "kubernetes", registry.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(kubernetes.Raw), `"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"","message":"Kubernetes default Service CIDR is ready"}]`) {
		t.Errorf("%s", kubernetes.Raw)
	}
}

// Node ports are read from the Services at the start.
func TestNodePortsSurviveARestart(t *testing.T) {
	engine := memory.New()
	s := newServerOver(t, engine)
	spec := corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: 80, NodePort: 30007}}}
	if _, err := create(s, s.services(), service("a", spec), false); err != "" {
		t.Fatal(err)
	}
	// A second set of strategies over the same registry is a second start.
	again := core.Resources(s.env)
	for _, r := range again {
		if r.Name == "services" {
			if err := s.env.Registry.Replace(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := create(s, s.services(), service("b", spec), false); !strings.Contains(err, "provided port is already allocated") {
		t.Errorf("got %q", err)
	}
	if _, err := s.services().Delete(s.ctx, "ns", "a", registry.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := create(s, s.services(), service("b", spec), false); err != "" {
		t.Error(err)
	}
}

func TestDeletedServiceTakesItsEndpointsAlong(t *testing.T) {
	s := newServer(t)
	if _, err := create(s, s.services(), service("a", corev1.ServiceSpec{Ports: ports(80)}), false); err != "" {
		t.Fatal(err)
	}
	endpoints := s.store("", "endpoints")
	if _, err := create(s, endpoints, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}, false); err != "" {
		t.Fatal(err)
	}
	if _, err := s.services().Delete(s.ctx, "ns", "a", registry.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := endpoints.Get(s.ctx, "ns", "a", registry.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("endpoints: %v", err)
	}
}
