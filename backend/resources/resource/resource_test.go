package resource

import (
	"context"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

func kind[T scheme.Object](t *testing.T, name string) resourcetest.Kind[T] {
	t.Helper()
	env := &registry.Env{Clock: func() time.Time { return time.Unix(1767225600, 5) }}
	return resourcetest.Of[T](t, Resources(env), name)
}

func TestClaim(t *testing.T) {
	r := kind[*resourcev1.ResourceClaim](t, "resourceclaims")
	f := func(devices string, want ...string) {
		t.Helper()
		r.Create("metadata: {name: a, namespace: b}\nspec: {devices: "+devices+"}", want...)
	}
	f(`{}`)
	f(`{requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com, selectors: [{cel: {expression: 'device.attributes["gpu.example.com"].large && device.driver == "d"'}}]}}]}`)
	f(`{requests: [{name: gpu, exactly: {deviceClassName: g, allocationMode: All, count: 2}}, {name: gpu, exactly: {deviceClassName: '', allocationMode: Some}}, {name: both, exactly: {deviceClassName: g}, firstAvailable: [{name: x, deviceClassName: g}]}, {name: none}]}`,
		`spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'`,
		`spec.devices.requests[1].exactly.deviceClassName: Required value`,
		`spec.devices.requests[1].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`,
		"spec.devices.requests[2]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
		"spec.devices.requests[3]: Required value: exactly one of `exactly` or `firstAvailable` is required",
		`spec.devices.requests[1]: Duplicate value: "gpu"`)
	f(`{requests: [{name: r, firstAvailable: [{name: big, deviceClassName: g}, {name: small, deviceClassName: g, tolerations: [{key: k, operator: Exists, value: v}]}]}], constraints: [{requests: [r/big, r/tiny, x/y/z], matchAttribute: model}, {}], config: [{requests: [r], opaque: {driver: d.example.com, parameters: [1]}}, {}]}`,
		"spec.devices.requests[0].firstAvailable[1].tolerations[0].value: Invalid value: \"v\": must be empty for operator `Exists`",
		`spec.devices.constraints[0].requests[1]: Invalid value: "r/tiny": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'`,
		`spec.devices.constraints[0].requests[2]: Invalid value: "x/y/z": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'`,
		`spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash`,
		`spec.devices.constraints[1]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set`,
		`spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object`,
		`spec.devices.config[1].opaque: Required value`)
}

func TestSelectors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := ""
		if err := validateSelector(text, field.NewPath("e")).ToAggregate(); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f(`device.attributes["d.example.com"].model == "a" && device.capacity["d.example.com"].memory.isGreaterThan(quantity("1Gi"))`, "")
	f(`cel.bind(d, device.attributes["d.example.com"], d.big && d.version.isGreaterThan(semver("1.0.0")))`, "")
	f(`device.allowMultipleAllocations`, "")
	f(`device.attributes["d.example.com"].anything`, "")
	f(`"a"`, `must evaluate to bool or the unknown type, not string`)
	f(`device.nosuch`, `compilation failed: ERROR: <input>:1:7: undefined field 'nosuch'`)
	f(strings.Repeat("a", resourcev1.CELSelectorExpressionMaxLength+1), "Too long: may not be more than 10240 bytes")
	f(`device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a == b && c == d))))`, "too complex, exceeds cost limit")
}

func TestClaimIsFixed(t *testing.T) {
	r := kind[*resourcev1.ResourceClaim](t, "resourceclaims")
	old := r.New("metadata: {name: a}\nspec: {devices: {requests: [{name: r, exactly: {deviceClassName: g}}]}}")
	c := old.DeepCopy()
	c.Spec.Devices.Requests[0].Name = "s"
	resourcetest.Expect(t, r.Strategy.ValidateUpdate(context.Background(), c, old),
		`spec: Invalid value: {"Devices":{"Requests":[{"Name":"s","Exactly":{"DeviceClassName":"g","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},"FirstAvailable":null}],"Constraints":null,"Config":null}}: field is immutable`)
	resourcetest.Expect(t, r.Strategy.ValidateUpdate(context.Background(), old.DeepCopy(), old))
}

func TestClaimStatus(t *testing.T) {
	r := kind[*resourcev1.ResourceClaim](t, "resourceclaims")
	status := r.Subresources[0].Strategy
	ctx := context.Background()
	old := r.New("metadata: {name: a}\nspec: {devices: {requests: [{name: r, exactly: {deviceClassName: g}}]}}")
	change := func(old *resourcev1.ResourceClaim, text string) *resourcev1.ResourceClaim {
		t.Helper()
		c := old.DeepCopy()
		c.Labels = map[string]string{"dropped": "yes"}
		c.Spec = resourcev1.ResourceClaimSpec{}
		if err := yaml.UnmarshalStrict([]byte(text), &c.Status); err != nil {
			t.Fatal(err)
		}
		r.Versions[0].Default(c)
		status.PrepareForUpdate(ctx, c, old)
		if c.Labels != nil || len(c.Spec.Devices.Requests) != 1 {
			t.Error("a status write changed the rest")
		}
		return c
	}
	resourcetest.Expect(t, status.ValidateUpdate(ctx, change(old, `reservedFor: [{resource: pods, name: p, uid: u}]`), old),
		"status.reservedFor: Forbidden: may not be specified when `allocated` is not set")
	allocated := change(old, `{allocation: {devices: {results: [{request: r, driver: d.example.com, pool: p, device: one}]}}, reservedFor: [{resource: pods, name: p, uid: u}], devices: [{driver: d.example.com, pool: p, device: one}]}`)
	resourcetest.Expect(t, status.ValidateUpdate(ctx, allocated, old))
	if got := r.Cells(allocated, time.Now)[1]; got != "allocated,reserved" {
		t.Errorf("state %v", got)
	}
	other := change(allocated, `{allocation: {devices: {results: [{request: r, driver: d.example.com, pool: p, device: two}]}}}`)
	if other.Status.Devices != nil {
		t.Error("the status of a deallocated device stays")
	}
	if errs := status.ValidateUpdate(ctx, other, allocated); len(errs) != 1 || errs[0].Field != "status.allocation" || errs[0].Detail != "field is immutable" {
		t.Errorf("got %v", errs)
	}
	resourcetest.Expect(t, status.ValidateUpdate(ctx, change(old, `devices: [{driver: d.example.com, pool: p, device: one}]`), old),
		`status.devices[0]: Invalid value: {"Driver":"d.example.com","Pool":"p","Device":"one","ShareID":""}: must be an allocated device in the claim`)
}

func TestSlice(t *testing.T) {
	r := kind[*resourcev1.ResourceSlice](t, "resourceslices")
	f := func(spec string, want ...string) {
		t.Helper()
		r.Create("metadata: {name: a}\nspec: "+spec, want...)
	}
	f(`{}`,
		`spec.driver: Required value`,
		`spec.pool.name: Required value`,
		`spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero`,
		"spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required")
	f(`{driver: d.example.com, pool: {name: p/q, resourceSliceCount: 1}, nodeName: n, devices: [{name: one, attributes: {model: {string: a}, d.example.com/version: {version: 1.0.0}}, capacity: {memory: {value: 1Gi}}}]}`)
	f(`{driver: d.example.com, pool: {name: p, resourceSliceCount: 1}, nodeName: n, allNodes: true, devices: [{name: One, attributes: {a/b/c: {}, v: {version: '1'}}, nodeName: x}, {name: two, taints: [{key: k, effect: Maybe}]}, {name: two, capacity: {m: {value: 1, requestPolicy: {default: 1}}}}]}`,
		"spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set",
		`spec.devices[0].name: Invalid value: "One": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
		`spec.devices[0].attributes: Invalid value: "a/b/c": must not contain more than one slash`,
		`spec.devices[0].attributes[a/b/c]: Invalid value: "": exactly one value must be specified`,
		`spec.devices[0].attributes[v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0`,
		"spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec",
		`spec.devices[1].taints[0].effect: Unsupported value: "Maybe": supported values: "NoExecute", "NoSchedule", "None"`,
		`spec.devices[2].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true`,
		`spec.devices[2]: Duplicate value: "two"`)
	f(`{driver: d.example.com, pool: {name: p, resourceSliceCount: 1}, nodeName: n, devices: [{name: one, allowMultipleAllocations: true, capacity: {a: {value: 10, requestPolicy: {default: 3, validRange: {min: 2, max: 20, step: 2}}}, b: {value: 4, requestPolicy: {default: 3, validValues: [5, 1]}}, c: {value: 4, requestPolicy: {default: 1, validRange: {min: 1, step: '18446744073709551616'}}}}}]}`,
		`spec.devices[0].capacity[a].requestPolicy.validRange.max: Invalid value: "20": max is larger than capacity value: 10`,
		`spec.devices[0].capacity[a].requestPolicy.validRange.step: Invalid value: "3": value is not a multiple of a given step (2) from (2)`,
		`spec.devices[0].capacity[b].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order`,
		`spec.devices[0].capacity[b].requestPolicy.validValues[0]: Invalid value: "5": option is larger than capacity value: 4`,
		`spec.devices[0].capacity[b].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy`,
		`spec.devices[0].capacity[c].requestPolicy.validRange.step: Invalid value: "18446744073709551616": must be greater than zero`)
}

func TestTaintsAreStamped(t *testing.T) {
	r := kind[*resourcev1.ResourceSlice](t, "resourceslices")
	s := r.New("metadata: {name: a}\nspec: {driver: d.example.com, pool: {name: p, resourceSliceCount: 1}, nodeName: n, devices: [{name: one, taints: [{key: k, effect: None}], attributes: {many: {ints: [1, 2]}, one: {int: 1}}}]}")
	if added := s.Spec.Devices[0].Taints[0].TimeAdded; added == nil || !added.Equal(new(metav1.Unix(1767225600, 0))) {
		t.Errorf("added %v", added)
	}
	if s.Generation != 1 || hasListAttribute(&s.Spec.Devices[0]) {
		t.Error("no generation, or a list where the gate is off")
	}
}

func TestTemplateMetadata(t *testing.T) {
	r := kind[*resourcev1.ResourceClaimTemplate](t, "resourceclaimtemplates")
	s := r.New("metadata: {name: a}\nspec: {metadata: {name: x, labels: {a: b}}, spec: {devices: {requests: [{name: r, exactly: {deviceClassName: g}}]}}}")
	resourcetest.Expect(t, r.Strategy.Validate(context.Background(), s), `spec.metadata.name: Forbidden: cannot be set`)
	if s.Spec.Spec.Devices.Requests[0].Exactly.Count != 1 {
		t.Error("the template is not defaulted")
	}
}

func TestUpdateOfClass(t *testing.T) {
	r := kind[*resourcev1.DeviceClass](t, "deviceclasses")
	old := r.New("metadata: {name: a}\nspec: {extendedResourceName: example.com/gpu}")
	c := old.DeepCopy()
	c.Labels = map[string]string{"a": "b"}
	resourcetest.Expect(t, r.Strategy.ValidateUpdate(context.Background(), c, old))
	c.Spec.ExtendedResourceName = new("cpu")
	fault := `spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name`
	resourcetest.Expect(t, r.Strategy.ValidateUpdate(context.Background(), c, old), fault)
	r.Strategy.PrepareForUpdate(context.Background(), c, old)
	if c.Generation != 2 {
		t.Errorf("generation %d", c.Generation)
	}
}

func TestSpecOfClaimIsFixed(t *testing.T) {
	r := kind[*resourcev1.ResourceClaim](t, "resourceclaims")
	old := r.New("metadata: {name: a}\nspec: {devices: {requests: [{name: r, exactly: {deviceClassName: g}}]}}")
	c := old.DeepCopy()
	resourcetest.Expect(t, r.Strategy.ValidateUpdate(context.Background(), c, old))
	c.Spec.Devices.Requests[0].Name = "R"
	errs := r.Strategy.ValidateUpdate(context.Background(), c, old)
	if len(errs) != 1 || errs[0].Field != "spec" {
		t.Errorf("got %v", errs)
	}
}
