package apiaddress_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/controllers/apiaddress"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

const (
	endpoints = "/api/v1/namespaces/default/endpoints/kubernetes"
	slice     = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
)

// addresses gives what both say, which has to be the same.
func addresses(t *testing.T, c *apitest.Caller) string {
	t.Helper()
	e, s := c.Get(endpoints), c.Get(slice)
	if e.Code == 404 && s.Code == 404 {
		return "none"
	}
	var ep corev1.Endpoints
	var sl discoveryv1.EndpointSlice
	e.Must(200).Into(&ep)
	s.Must(200).Into(&sl)
	var a, b []string
	for _, x := range ep.Subsets[0].Addresses {
		a = append(a, x.IP)
	}
	for _, x := range sl.Endpoints {
		b = append(b, x.Addresses...)
		if !*x.Conditions.Ready {
			t.Error("one is not ready")
		}
	}
	if strings.Join(a, " ") != strings.Join(b, " ") || ep.Subsets[0].Ports[0].Port != *sl.Ports[0].Port || *sl.Ports[0].Name != "https" {
		t.Errorf("%v and %v differ", ep.Subsets, sl.Endpoints)
	}
	if ep.Labels["endpointslice.kubernetes.io/skip-mirror"] != "true" || sl.Labels["kubernetes.io/service-name"] != "kubernetes" {
		t.Error(ep.Labels, sl.Labels)
	}
	return strings.Join(a, " ")
}

func TestAServerSaysWhereItIs(t *testing.T) {
	dir := t.TempDir()
	s := apitest.Start(t, apitest.Options{DataDir: dir, Change: func(o *config.Options) { o.Serving.AdvertiseAddress = "192.0.2.7" }})
	c := s.Admin()
	for end := time.Now().Add(time.Minute); c.Get(slice).Code != 200; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it says nothing")
		}
	}
	if got := addresses(t, c); got != "192.0.2.7" {
		t.Error(got)
	}
	s.Stop()
	// A clean stop takes it away, and an address of loopback is none for others.
	if got := addresses(t, apitest.Start(t, apitest.Options{DataDir: dir}).Admin()); got != "none" {
		t.Error(got)
	}
}

func TestServersOfOneStorage(t *testing.T) {
	s := apitest.Start(t)
	c := s.Admin()
	now := time.Now()
	keeper := func(address string) *apiaddress.Keeper {
		return apiaddress.New(apiaddress.Options{
			Client: client.New(s.Handler(), request.Server, "kube-apiserver"), Clock: func() time.Time { return now },
			Address: netip.MustParseAddr(address), Port: 6443, Shared: true,
		})
	}
	step := func(list ...*apiaddress.Keeper) {
		t.Helper()
		now = now.Add(5 * time.Second)
		for _, k := range list {
			if err := k.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	are := func(want string) {
		t.Helper()
		if got := addresses(t, c); got != want {
			t.Errorf("there are %s, not %s", got, want)
		}
	}
	a, b, d := keeper("192.0.2.2"), keeper("192.0.2.1"), keeper("192.0.2.3")
	step(a)
	are("192.0.2.2")
	step(b, d)
	are("192.0.2.1 192.0.2.2 192.0.2.3")
	step(a, b)
	step(a, b)
	are("192.0.2.1 192.0.2.2 192.0.2.3")
	step(a, b)
	step(a, b)
	are("192.0.2.1 192.0.2.2") // the third is silent
	b.Leave(t.Context())
	are("192.0.2.2")
	step(b) // it does not come back
	are("192.0.2.2")
	for range 20 {
		step(a)
	}
	leases := c.Get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?labelSelector=apiserver.kubernetes.io%2Fidentity").Must(200).Body
	if n := strings.Count(string(leases), `"holderIdentity"`); n != 1 {
		t.Errorf("%d leases are left: %s", n, leases)
	}

	// What somebody else writes is put right; what is right is left alone.
	c.Patch(slice, `{"endpoints":[]}`).Must(200)
	c.Patch(endpoints, `{"subsets":[{"addresses":[{"ip":"192.0.2.9"}],"ports":[{"port":1}]}]}`).Must(200)
	step(a)
	are("192.0.2.2")
	version := c.Get(endpoints).Must(200).Object().GetResourceVersion()
	step(a)
	if now := c.Get(endpoints).Must(200).Object().GetResourceVersion(); now != version {
		t.Error("it is written though nothing has changed")
	}
	a.Leave(t.Context())
	are("none")
}
