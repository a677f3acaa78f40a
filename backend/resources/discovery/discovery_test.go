package discovery

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"

	discoveryv1 "k8s.io/api/discovery/v1"
)

func decode(t *testing.T, text string) *discoveryv1.EndpointSlice {
	t.Helper()
	s := &discoveryv1.EndpointSlice{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defaultSlice(s)
	return s
}

func TestSliceValidation(t *testing.T) {
	strategy := endpointSliceResource(&registry.Env{}).Strategy
	f := func(in, want string) {
		t.Helper()
		got := ""
		if err := strategy.Validate(t.Context(), decode(t, in)).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
	f(`{"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"}]}}],"ports":[{}]}`, "")
	f(`{"addressType":"IP","ports":[{"appProtocol":"a b"}]}`,
		`[addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6", ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')]`)
	f(`{"addressType":"IPv6","endpoints":[{"addresses":["10.0.0.1","x","::1"]}]}`,
		`[endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address, endpoints[0].addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), endpoints[0].addresses[2]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)]`)
	f(`{"addressType":"FQDN","endpoints":[{"addresses":["nodots"]}]}`, `endpoints[0].addresses[0]: Invalid value: "nodots": should be a domain with at least two segments separated by dots`)
	f(`{"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"},{"name":"a"}],"forNodes":[{"name":"N"}]}}]}`,
		`[endpoints[0].hints.forZones[1].name: Duplicate value: "a", endpoints[0].hints.forNodes[0].name: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]`)
	f(`{"addressType":"IPv4","endpoints":[{"addresses":["`+strings.Repeat(`10.0.0.1","`, 100)+`10.0.0.1"]}]}`, `endpoints[0].addresses: Too many: 101: must have at most 100 items`)
}

func TestSliceGeneration(t *testing.T) {
	const first = `{"metadata":{"labels":{"a":"b"}},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}]}`
	f := func(in string, want int64) {
		t.Helper()
		old := decode(t, first)
		prepareSlice(t.Context(), old)
		s := decode(t, in)
		prepareSliceUpdate(t.Context(), s, old)
		if s.Generation != want {
			t.Errorf("%s: generation %d, want %d", in, s.Generation, want)
		}
	}
	f(first, 1)
	f(strings.Replace(first, `"labels"`, `"annotations":{"x":"y"},"labels"`, 1), 1)
	f(strings.Replace(first, `"b"`, `"c"`, 1), 2)
	f(strings.Replace(first, `10.0.0.1`, `10.0.0.2`, 1), 2)
}

func TestSliceTopologyIsReadOnly(t *testing.T) {
	s := decode(t, `{"endpoints":[{"addresses":["10.0.0.1"],"deprecatedTopology":{"kubernetes.io/hostname":"n"}}]}`)
	kept := s.DeepCopy()
	prepareSliceUpdate(t.Context(), kept, s)
	if kept.Endpoints[0].DeprecatedTopology == nil {
		t.Error("unchanged endpoints lose their topology")
	}
	changed := s.DeepCopy()
	changed.Endpoints[0].Addresses = []string{"10.0.0.2"}
	prepareSliceUpdate(t.Context(), changed, s)
	if e := changed.Endpoints[0]; e.DeprecatedTopology != nil || e.NodeName == nil || *e.NodeName != "n" {
		t.Errorf("changed endpoint %+v", e)
	}
	prepareSlice(t.Context(), s)
	if s.Endpoints[0].DeprecatedTopology != nil || s.Endpoints[0].NodeName != nil {
		t.Errorf("new endpoint %+v", s.Endpoints[0])
	}
}

func TestSliceWarningsAndCells(t *testing.T) {
	r := endpointSliceResource(&registry.Env{})
	warnings := r.Strategy.WarningsOnCreate(t.Context(), decode(t, `{"addressType":"FQDN","endpoints":[{"addresses":["a.b"]}]}`))
	if len(warnings) != 1 || warnings[0] != "spec.addressType: FQDN endpoints are deprecated" {
		t.Errorf("warnings %q", warnings)
	}
	warnings = r.Strategy.WarningsOnCreate(t.Context(), decode(t, `{"addressType":"IPv6","endpoints":[{"addresses":["2001:DB8::1"]}]}`))
	if len(warnings) != 1 || warnings[0] != `endpoints[0].addresses[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")` {
		t.Errorf("warnings %q", warnings)
	}
	now := func() time.Time { return time.Time{} }
	cells := r.Cells(decode(t, `{"metadata":{"name":"a"},"addressType":"IPv4","ports":[{"port":1},{}],"endpoints":[{"addresses":["1.1.1.1","1.1.1.2"]},{"addresses":["1.1.1.3"]},{"addresses":["1.1.1.4"]}]}`), now)
	want := []any{"a", "IPv4", "1,*", "1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...", "<unknown>"}
	for i := range want {
		if cells[i] != want[i] {
			t.Errorf("%s is %v, want %v", r.Columns[i].Name, cells[i], want[i])
		}
	}
	if cells := r.Cells(decode(t, `{}`), now); cells[2] != "<unset>" || cells[3] != "<unset>" {
		t.Errorf("cells %v", cells)
	}
}
