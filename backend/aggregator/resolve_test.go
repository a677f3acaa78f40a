package aggregator

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pilothouse/backend/request"

	discoveryv1 "k8s.io/api/discovery/v1"
)

func slice(family discoveryv1.AddressType, portName string, port int32, ready *bool, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{AddressType: family, Ports: []discoveryv1.EndpointPort{{Name: &portName, Port: &port}}}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: ready}})
	}
	return s
}

func TestReadyAddresses(t *testing.T) {
	gives := func(want []string, slices ...*discoveryv1.EndpointSlice) {
		t.Helper()
		if got := readyAddresses(slices, "https"); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	gives(nil)
	gives(nil, slice("IPv4", "http", 80, nil, "10.0.0.1"))
	gives(nil, slice("IPv4", "https", 443, new(false), "10.0.0.1"))
	gives([]string{"10.0.0.1:443", "10.0.0.2:443", "10.0.0.3:8443"},
		slice("IPv4", "https", 443, nil, "10.0.0.1", "10.0.0.2"), slice("IPv6", "https", 443, nil, "::1"), slice("IPv4", "https", 8443, new(true), "10.0.0.3"))
	gives([]string{"[fd00::1]:443"}, slice("IPv4", "https", 443, nil), slice("IPv6", "https", 443, nil, "fd00::1"))
	gives(nil, &discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{}}, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}})
}

func TestIdentityHeaders(t *testing.T) {
	h := http.Header{}
	setIdentity(h, &request.User{Name: "a", UID: "1", Groups: []string{"g", "h"}, Extra: map[string][]string{"example.com/K%y": {"x", "y"}}})
	want := http.Header{
		"X-Remote-User": {"a"}, "X-Remote-Uid": {"1"}, "X-Remote-Group": {"g", "h"}, "X-Remote-Extra-Example.com%2fk%25y": {"x", "y"},
	}
	if len(h) != len(want) {
		t.Errorf("%v", h)
	}
	for name, values := range want {
		found := false
		for n, v := range h {
			found = found || strings.EqualFold(n, name) && reflect.DeepEqual(v, values)
		}
		if !found {
			t.Errorf("no %s in %v", name, h)
		}
	}
}

// FuzzEscapeKey: whatever the key of an extra is, the header's name can be sent.
func FuzzEscapeKey(f *testing.F) {
	f.Add("scopes")
	f.Add("a b\r\nX-Remote-User: root")
	f.Add("ü/%")
	f.Fuzz(func(t *testing.T, key string) {
		for _, c := range []byte(escapeKey(key)) {
			if !isToken(c) {
				t.Errorf("%q gives %q", key, escapeKey(key))
			}
		}
	})
}

func TestTokensAmongProtocolsAreTakenOut(t *testing.T) {
	for in, want := range map[string]string{
		"base64url.bearer.authorization.k8s.io.YQ":                    "",
		"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YQ": "v5.channel.k8s.io",
		"a,b": "a, b",
	} {
		if got := withoutToken(in); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}
