package networking

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
)

func kinds() map[string]registry.Resource {
	out := map[string]registry.Resource{}
	for _, r := range Resources(&registry.Env{}) {
		out[r.Name] = r
	}
	return out
}

func decode(t *testing.T, r registry.Resource, text string) scheme.Object {
	t.Helper()
	v := r.Versions[0]
	obj := v.New()
	if err := json.Unmarshal([]byte(text), obj); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if v.Default != nil {
		v.Default(obj)
	}
	return obj
}

func TestDefaults(t *testing.T) {
	all := kinds()
	f := func(resource, in, want string) {
		t.Helper()
		b, err := json.Marshal(decode(t, all[resource], in))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(b), `"metadata":{},`, ""); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
	f("networkpolicies", `{"spec":{"podSelector":{},"ingress":[{"ports":[{"port":1}]}]}}`, `{"spec":{"podSelector":{},"ingress":[{"ports":[{"protocol":"TCP","port":1}]}],"policyTypes":["Ingress"]}}`)
	f("networkpolicies", `{"spec":{"podSelector":{},"egress":[{"ports":[{"protocol":"UDP"}]}]}}`, `{"spec":{"podSelector":{},"egress":[{"ports":[{"protocol":"UDP"}]}],"policyTypes":["Ingress","Egress"]}}`)
	f("networkpolicies", `{"spec":{"podSelector":{},"policyTypes":["Egress"]}}`, `{"spec":{"podSelector":{},"policyTypes":["Egress"]}}`)
	f("ingressclasses", `{"spec":{"controller":"a/b","parameters":{"kind":"K","name":"n"}}}`, `{"spec":{"controller":"a/b","parameters":{"kind":"K","name":"n","scope":"Cluster"}}}`)
}

func TestValidate(t *testing.T) {
	all := kinds()
	f := func(resource, in, old, want string) {
		t.Helper()
		r := all[resource]
		var err error
		if old == "" {
			err = r.Strategy.Validate(t.Context(), decode(t, r, in)).ToAggregate()
		} else {
			err = r.Strategy.ValidateUpdate(t.Context(), decode(t, r, in), decode(t, r, old)).ToAggregate()
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s %s\ngot  %s\nwant %s", resource, in, got, want)
		}
	}
	const subdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
	path := func(p, backend string) string {
		return `{"spec":{"rules":[{"host":"*.a.example.com","http":{"paths":[{` + p + `"backend":` + backend + `}]}}]}}`
	}
	const web = `{"service":{"name":"web","port":{"number":80}}}`
	f("ingresses", path(`"path":"/a","pathType":"Exact",`, web), "", "")
	f("ingresses", path(`"path":"/a/..","pathType":"Exact",`, web), "", `spec.rules[0].http.paths[0].path: Invalid value: "/a/..": cannot end with '/..'`)
	f("ingresses", path(`"path":"/a/../%2f/.","pathType":"Prefix",`, web), "",
		`[spec.rules[0].http.paths[0].path: Invalid value: "/a/../%2f/.": must not contain '/../', spec.rules[0].http.paths[0].path: Invalid value: "/a/../%2f/.": must not contain '%2f', spec.rules[0].http.paths[0].path: Invalid value: "/a/../%2f/.": cannot end with '/.'`+`]`)
	f("ingresses", path(`"pathType":"ImplementationSpecific",`, web), "", "")
	f("ingresses", path(`"path":"/","pathType":"Like",`, web), "", `spec.rules[0].http.paths[0].pathType: Unsupported value: "Like": supported values: "Exact", "ImplementationSpecific", "Prefix"`)
	f("ingresses", path(`"path":"/","pathType":"Exact",`, `{"service":{"name":"","port":{}},"resource":null}`), "", `[spec.rules[0].http.paths[0].backend.service.name: Required value, spec.rules[0].http.paths[0].backend: Required value: port name or number is required]`)
	f("ingresses", path(`"path":"/","pathType":"Exact",`, `{"service":{"name":"1a","port":{"name":"a_"}}}`), "", `spec.rules[0].http.paths[0].backend.service.port.name: Invalid value: "a_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`)
	f("ingresses", path(`"path":"/","pathType":"Exact",`, `{"resource":{"apiGroup":"A","kind":"","name":"a/b"}}`), "",
		`[spec.rules[0].http.paths[0].backend.resource.apiGroup: Invalid value: "A": `+subdomain+`, spec.rules[0].http.paths[0].backend.resource.kind: Required value, spec.rules[0].http.paths[0].backend.resource.name: Invalid value: "a/b": may not contain '/']`)
	f("ingresses", path(`"path":"/","pathType":"Exact",`, `{"resource":{"kind":"K","name":"n"},"service":{"name":"x","port":{"number":1}}}`), "", `spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both resource and service backends`)
	f("ingresses", `{"spec":{"rules":[{"http":{"paths":[]}}],"tls":[{"hosts":["*.x","A"],"secretName":"B"}]}}`, "",
		`[spec.rules[0].http.paths: Required value, spec.tls[0].hosts[1]: Invalid value: "A": `+subdomain+`, spec.tls[0].secretName: Invalid value: "B": `+subdomain+`]`)
	f("ingresses", `{"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{"ingressClassName":"b","defaultBackend":`+web+`}}`, "", "annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are specified")
	f("ingresses", `{"spec":{"tls":[{"secretName":"B"}],"defaultBackend":`+web+`}}`, `{"spec":{"tls":[{"secretName":"A"}],"defaultBackend":`+web+`}}`, "")

	f("ingressclasses", `{"spec":{}}`, "", `spec.controller: Required value`)
	f("ingressclasses", `{"spec":{"controller":"nodomain","parameters":{"kind":"","name":"","scope":"World"}}}`, "",
		`[spec.controller: Invalid value: "nodomain": must be a domain-prefixed path (such as "acme.io/foo"), spec.parameters.kind: Required value, spec.parameters.name: Required value, spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"]`)
	f("ingressclasses", `{"spec":{"controller":"a.b/c","parameters":{"kind":"K","name":"n","namespace":"x"}}}`, "", "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'")
	f("ingressclasses", `{"spec":{"controller":"a.b/c","parameters":{"kind":"K","name":"n","scope":"Namespace"}}}`, "", "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'")
	f("ingressclasses", `{"spec":{"controller":"a.b/c"}}`, `{"spec":{"controller":"a.b/d"}}`, `spec.controller: Invalid value: "a.b/c": field is immutable`)

	f("networkpolicies", `{"spec":{"podSelector":{},"egress":[{"to":[{"ipBlock":{"cidr":"","except":["x"]}},{"ipBlock":{"cidr":"10.0.0.0/8","except":["x","10.0.0.0/8"]}}],"ports":[{"port":"http","endPort":3}]}]}}`, "",
		"[spec.egress[0].ports[0].endPort: Invalid value: 3: may not be specified when `port` is non-numeric, spec.egress[0].to[0].ipBlock.cidr: Required value, "+
			"spec.egress[0].to[1].ipBlock.except[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64), spec.egress[0].to[1].ipBlock.except[1]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`]")
	const odd = `{"spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.1/8"}}]}]}}`
	f("networkpolicies", odd, odd, "")
	f("networkpolicies", `{"spec":{"podSelector":{},"policyTypes":["Sideways"]}}`, "", `spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"`)

	f("ipaddresses", `{"spec":{}}`, "", `spec.parentRef: Required value`)
	f("ipaddresses", `{"spec":{"parentRef":{"group":"A","resource":"","name":"a/b","namespace":".."}}}`, "",
		`[spec.parentRef.group: Invalid value: "A": `+subdomain+`, spec.parentRef.resource: Required value, spec.parentRef.name: Invalid value: "a/b": may not contain '/', spec.parentRef.namespace: Invalid value: "..": may not be '..']`)
	f("ipaddresses", `{"spec":{"parentRef":{"resource":"services","name":"a"}}}`, `{"spec":{"parentRef":{"resource":"services","name":"b"}}}`,
		`spec.parentRef: Invalid value: {"Group":"","Resource":"services","Namespace":"","Name":"a"}: field is immutable`)

	f("servicecidrs", `{"spec":{}}`, "", `spec.cidrs: Required value: at least one CIDR required`)
	f("servicecidrs", `{"spec":{"cidrs":["10.0.0.0/8","10.1.0.0/16"]}}`, "", `spec.cidrs: Invalid value: ["10.0.0.0/8","10.1.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64`)
	f("servicecidrs", `{"spec":{"cidrs":["a","b","c"]}}`, "", `spec.cidrs: Invalid value: {"CIDRs":["a","b","c"]}: may only hold up to 2 values`)
	f("servicecidrs", `{"spec":{"cidrs":["10.0.0.0/8","fd00::/64"]}}`, `{"spec":{"cidrs":["10.0.0.0/8"]}}`, "")
	f("servicecidrs", `{"spec":{"cidrs":["10.0.0.0/9"]}}`, `{"spec":{"cidrs":["10.0.0.0/8"]}}`, `spec.cidrs[0]: Invalid value: "10.0.0.0/9": field is immutable`)
	f("servicecidrs", `{"spec":{"cidrs":["10.0.0.0/8"]}}`, `{"spec":{"cidrs":["10.0.0.0/8","fd00::/64"]}}`, `spec.cidrs: Invalid value: ["10.0.0.0/8"]: field is immutable`)
}

func TestIPAddressNames(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := strings.Join(ipAddressNameFaults(name, false), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("10.0.0.1", "")
	f("2001:db8::1", "")
	f("2001:DB8::1", `must be in canonical form ("2001:db8::1")`)
	f("010.0.0.1", "must not have leading 0s")
	f("a", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
}

func TestIngressStatus(t *testing.T) {
	r := kinds()["ingresses"]
	view := r.Subresources[0].Strategy
	obj := decode(t, r, `{"status":{"loadBalancer":{"ingress":[{"ip":"x"},{"hostname":"1.2.3.4"}]}}}`)
	err := view.ValidateUpdate(t.Context(), obj, decode(t, r, `{}`)).ToAggregate()
	want := `[status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address]`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestGenerations(t *testing.T) {
	all := kinds()
	for resource, specs := range map[string][2]string{
		"ingresses":       {`{"spec":{"ingressClassName":"a"}}`, `{"spec":{"ingressClassName":"b"}}`},
		"ingressclasses":  {`{"spec":{"controller":"a"}}`, `{"spec":{"controller":"b"}}`},
		"networkpolicies": {`{"spec":{"podSelector":{}}}`, `{"spec":{"podSelector":{},"policyTypes":["Egress"]}}`},
	} {
		r := all[resource]
		obj := decode(t, r, specs[0])
		r.Strategy.PrepareForCreate(t.Context(), obj)
		same, changed := decode(t, r, specs[0]), decode(t, r, specs[1])
		r.Strategy.PrepareForUpdate(t.Context(), same, obj)
		r.Strategy.PrepareForUpdate(t.Context(), changed, obj)
		if obj.GetGeneration() != 1 || same.GetGeneration() != 1 || changed.GetGeneration() != 2 {
			t.Errorf("%s: generations %d %d %d", resource, obj.GetGeneration(), same.GetGeneration(), changed.GetGeneration())
		}
	}
}

func TestCells(t *testing.T) {
	all := kinds()
	now := func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	f := func(resource, in string, want ...any) {
		t.Helper()
		r := all[resource]
		got := r.Cells(decode(t, r, in), now)
		if len(got) != len(r.Columns) || len(got) != len(want) {
			t.Fatalf("%s: %v for %d columns", resource, got, len(r.Columns))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s %s: %s is %#v, want %#v", resource, in, r.Columns[i].Name, got[i], want[i])
			}
		}
	}
	f("ingresses", `{"metadata":{"name":"a"},"spec":{"tls":[{}],"rules":[{"host":"a"},{},{"host":"b"},{"host":"c"},{"host":"d"}]},"status":{"loadBalancer":{"ingress":[{"hostname":"z"},{"ip":"1.1.1.1"}]}}}`,
		"a", "<none>", "a,b,c + 2 more...", "1.1.1.1,z", "80, 443", "<unknown>")
	f("ingresses", `{"metadata":{"name":"a"},"spec":{"ingressClassName":"c"}}`, "a", "c", "*", "", "80", "<unknown>")
	f("ingressclasses", `{"metadata":{"name":"a"},"spec":{"controller":"x/y","parameters":{"apiGroup":"g","kind":"K","name":"n"}}}`, "a", "x/y", "K.g/n", "<unknown>")
	f("ingressclasses", `{"metadata":{"name":"a"},"spec":{"controller":"x/y"}}`, "a", "x/y", "<none>", "<unknown>")
	f("networkpolicies", `{"metadata":{"name":"a"},"spec":{"podSelector":{"matchLabels":{"x":"y"}}}}`, "a", "x=y", "<unknown>")
	f("ipaddresses", `{"metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"resource":"services","namespace":"n","name":"a"}}}`, "10.0.0.1", "services/n/a", "<unknown>")
	f("ipaddresses", `{"metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"group":"g.io","resource":"Things","name":"a"}}}`, "10.0.0.1", "things.g.io/a", "<unknown>")
	f("servicecidrs", `{"metadata":{"name":"a"},"spec":{"cidrs":["10.0.0.0/8","fd00::/64"]}}`, "a", "10.0.0.0/8,fd00::/64", "<unknown>")
}
