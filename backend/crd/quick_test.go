package crd

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"pilothouse/backend/scheme"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const everything = `{"type":"object","required":["name"],"minProperties":1,"maxProperties":9,"properties":{
"name":{"type":"string","minLength":1,"maxLength":3,"pattern":"^[a-cé]*$"},
"mode":{"type":"string","enum":["a","ab"],"default":"a"},
"when":{"type":"string","format":"date-time"},
"host":{"type":"string","format":"hostname","nullable":true},
"odd":{"type":"string","format":"no-such-format"},
"size":{"type":"integer","format":"int32","minimum":1,"maximum":9,"exclusiveMaximum":true},
"big":{"type":"integer","minimum":-9000000000000000000},
"share":{"type":"number","minimum":0.5,"maximum":1},
"rate":{"type":"number","format":"float","minimum":0},
"on":{"type":"boolean"},
"port":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}],"pattern":"^[a-z0-9]+$"},
"list":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"object","properties":{"name":{"type":"string","maxLength":2},"n":{"type":"integer","default":1}}}},
"map":{"type":"object","additionalProperties":{"type":"integer","maximum":3}},
"any":{"x-kubernetes-preserve-unknown-fields":true},
"open":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"string"}}},
"either":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"},"c":{"type":"string"}},
  "oneOf":[{"required":["a"]},{"required":["b"],"properties":{"b":{"minimum":2}}}],"not":{"required":["c"],"properties":{"c":{"enum":["x"]}}},"allOf":[{"properties":{"a":{"maxLength":1}}}]},
"inner":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}`

// maker makes values for the schema above: right ones mostly, and wrong ones.
type maker struct{ *rand.Rand }

func (m maker) pick(values ...any) any { return values[m.IntN(len(values))] }

func (m maker) scalar() any {
	return m.pick("a", "b", "ab", "abc", "", "é", "aé", "abcd", "x", "2020-01-01T00:00:00Z", "-", int64(0), int64(1), int64(2), int64(3), int64(9), int64(-1), int64(1)<<40, int64(1)<<62,
		0.5, 0.7, 1.0, 2.5, -1.5, 1e300, true, false, nil)
}

func (m maker) value(depth int) any {
	switch n := m.IntN(10); {
	case depth > 0 && n == 0:
		list := []any{}
		for range m.IntN(4) {
			list = append(list, m.value(depth-1))
		}
		return list
	case depth > 0 && n < 3:
		return m.object(depth - 1)
	}
	return m.scalar()
}

func (m maker) object(depth int) map[string]any {
	out := map[string]any{}
	for range m.IntN(4) {
		out[m.pick("a", "b", "c", "n", "name", "apiVersion", "kind", "metadata").(string)] = m.value(depth)
	}
	return out
}

// right gives an object of the schema with some fields wrong, perhaps.
func (m maker) right() map[string]any {
	good := map[string]func() any{
		"name": func() any { return m.pick("a", "abc", "é") }, "mode": func() any { return "ab" }, "when": func() any { return "2020-01-01T00:00:00Z" }, "host": func() any { return m.pick("a.b", nil) },
		"odd": func() any { return "x" }, "size": func() any { return m.pick(int64(1), int64(8)) }, "big": func() any { return int64(1) << 40 }, "share": func() any { return m.pick(0.5, 0.7, int64(1)) },
		"rate": func() any { return m.pick(1.5, int64(3)) }, "on": func() any { return true }, "port": func() any { return m.pick("http", int64(80)) },
		"list": func() any { return []any{map[string]any{"name": "a", "n": int64(2)}} }, "map": func() any { return map[string]any{"x": int64(1)} }, "any": func() any { return m.value(3) },
		"open": func() any { return map[string]any{"a": "b", "more": m.value(2)} }, "either": func() any { return m.pick(map[string]any{"a": "x"}, map[string]any{"b": int64(3), "c": "y"}) },
		"inner": func() any { return m.object(2) },
	}
	out := map[string]any{"name": "a"}
	for name, f := range good {
		switch m.IntN(8) {
		case 0, 1:
			out[name] = f()
		case 2:
			if m.IntN(4) == 0 {
				out[name] = m.value(3)
			}
		}
	}
	if m.IntN(6) == 0 {
		delete(out, "name")
	}
	return out
}

func compiled(t *testing.T, text string) (*version, validation.SchemaValidator) {
	t.Helper()
	external := &apiextensionsv1.JSONSchemaProps{}
	if err := json.Unmarshal([]byte(text), external); err != nil {
		t.Fatal(err)
	}
	v := &version{spec: &apiextensionsv1.CustomResourceDefinitionVersion{}, schema: func() *apiextensionsv1.JSONSchemaProps { return external }}
	v.validators()
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, internal, nil); err != nil {
		t.Fatal(err)
	}
	slow, _, err := validation.NewSchemaValidator(internal)
	if err != nil || v.quick == nil || v.structural() == nil {
		t.Fatal(err, v.quick, v.structural())
	}
	return v, slow
}

// What the quick check accepts upstream's validator accepts, and most of what is
// right is accepted.
func TestQuickCheckNeverAcceptsWhatUpstreamRefuses(t *testing.T) {
	v, slow := compiled(t, everything)
	m := maker{rand.New(rand.NewPCG(3, 4))} //nolint:gosec // no secret
	accepted, right := 0, 0
	for range 20_000 {
		object := m.right()
		faults := validation.ValidateCustomResource(nil, object, slow)
		if len(faults) == 0 {
			right++
		}
		if !v.quick.accepts(object) {
			continue
		}
		accepted++
		if len(faults) > 0 {
			t.Fatalf("%v is accepted; upstream: %v", object, faults.ToAggregate())
		}
	}
	if accepted < right/3 || right < 1000 {
		t.Errorf("%d of %d are accepted", accepted, right)
	}
}

// Every sub-schema by itself, with values of all kinds.
func TestQuickCheckOfSingleFields(t *testing.T) {
	var whole apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal([]byte(everything), &whole); err != nil {
		t.Fatal(err)
	}
	m := maker{rand.New(rand.NewPCG(5, 6))} //nolint:gosec // no secret
	for name, p := range whole.Properties {
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		v, slow := compiled(t, fmt.Sprintf(`{"type":"object","properties":{"x":%s}}`, raw))
		for range 2000 {
			object := map[string]any{"x": m.value(3)}
			faults := validation.ValidateCustomResource(nil, object, slow)
			if got := v.quick.check(object); got == valid && len(faults) > 0 || got == invalid && len(faults) == 0 {
				t.Fatalf("%s: %v is %d; upstream: %v", name, object, got, faults.ToAggregate())
			}
		}
	}
}

func TestSchemasThatAreLeftToUpstream(t *testing.T) {
	for _, text := range []string{`{"multipleOf":2}`, `{"enum":[1]}`, `{"uniqueItems":true}`, `{"patternProperties":{"a":{}}}`, `{"properties":{"a":{"items":[{},{}]}}}`, `{"pattern":"("}`, `{"additionalProperties":false}`} {
		external, internal := &apiextensionsv1.JSONSchemaProps{}, &apiextensions.JSONSchemaProps{}
		if err := json.Unmarshal([]byte(text), external); err != nil {
			t.Fatal(err)
		}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, internal, nil); err != nil {
			t.Fatal(err)
		}
		_, written, err := validation.NewSchemaValidator(internal)
		if err != nil {
			t.Fatal(err)
		}
		if newQuick(written) != nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// An object that fits its schema's shape is one that pruning, defaulting and the
// rest leave as it is.
func TestShapesFitWhatUpstreamLeavesAsItIs(t *testing.T) {
	v, _ := compiled(t, everything)
	m := maker{rand.New(rand.NewPCG(7, 8))} //nolint:gosec // no secret
	fit := 0
	for range 20_000 {
		object := m.right()
		object["mode"], object["apiVersion"], object["kind"], object["metadata"] = "a", "example.com/v1", "Thing", map[string]any{"name": "x"}
		if !v.shape.fits(object) {
			continue
		}
		fit++
		after := runtime.DeepCopyJSON(object)
		pruning.Prune(after, v.structural(), true)
		defaulting.PruneNonNullableNullsWithoutDefaults(after, v.structural())
		if fault, _ := objectmeta.CoerceWithOptions(nil, after, v.structural(), false, objectmeta.CoerceOptions{}); fault != nil {
			t.Fatalf("%v fits: %v", object, fault)
		}
		defaulting.Default(after, v.structural())
		if !scheme.EqualJSON(object, after) {
			t.Fatalf("%v fits, and becomes %v", object, after)
		}
	}
	if fit < 1000 {
		t.Errorf("%d fit", fit)
	}
}

// Metadata that is left alone is what upstream makes of it.
func TestPlainMetadataIsWhatUpstreamMakesOfIt(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(9, 10))} //nolint:gosec // no secret
	plain := 0
	for range 20_000 {
		metadata := map[string]any{}
		for name, good := range map[string]any{
			"name": "a", "namespace": "b", "uid": "c", "resourceVersion": "7", "generation": int64(3), "creationTimestamp": m.pick("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z", "2020-01-01T01:00:00+01:00"),
			"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"a": ""}, "finalizers": []any{"a"}, "unknown": "x",
			"managedFields": []any{map[string]any{"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2020-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:a": map[string]any{".": map[string]any{}}}}},
		} {
			switch m.IntN(12) {
			case 0, 1, 2:
				metadata[name] = good
			case 3:
				if m.IntN(6) == 0 {
					metadata[name] = m.value(3)
				}
			}
		}
		u := &unstructured.Unstructured{Object: map[string]any{"metadata": metadata}}
		if !plainMetadata(u) {
			continue
		}
		plain++
		after := runtime.DeepCopyJSON(u.Object)
		meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(after, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
		if err != nil || !found || len(unknown) > 0 {
			t.Fatalf("%v: %v %v", metadata, unknown, err)
		}
		if err := objectmeta.SetObjectMeta(after, meta); err != nil || !scheme.EqualJSON(u.Object, after) {
			t.Fatalf("%v becomes %v: %v", u.Object, after, err)
		}
	}
	if plain < 1000 {
		t.Errorf("%d are plain", plain)
	}
}
