package fieldmanager

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// The first three and the last two are read as JSON without a doubt.
var patchSeeds = []string{
	`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","y":"a\\nb\"c"}}`,
	"{\n  \"a\": [1, 2.5, 0, true, null, {}],\n  \"b\": {\"c\": []}\n}",
	`{}`,
	`{"a":1e400}`, `{"a":1,"a":2}`, `{"a":{"<<":{"b":1}}}`, `{"a":"\u00e9\ud83d\ude00"}`,
	"{\t\"a\":1}", `{"a":"é"}`, `{"a":1}{"b":2}`, `{a: 1}`, "a: 1\nb: [x, y]\n", `{"a":01}`, `{`, ``, `[]`, `{"a": "b" # c` + "\n}",
	`{"a":"yes","b":"1","c":"null","d":"~","e":"2001-01-01"}`, `{"a":9007199254740993,"b":-1.5,"c":{"d":[[]]}}`,
}

// FuzzPatchAsJSON: where JSON is plain, the YAML reader finds nothing wrong with
// it either and reads the same.
func FuzzPatchAsJSON(f *testing.F) {
	for _, s := range patchSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, patch []byte) {
		var got, want map[string]any
		twice, err := kjson.UnmarshalStrict(patch, &got, kjson.DisallowDuplicateFields)
		if err != nil || len(twice) > 0 || got == nil || !plainJSON(patch) {
			ParsePatch(patch) //nolint:errcheck // it must not panic
			return
		}
		if err := yaml.UnmarshalStrict(patch, &map[string]any{}); err != nil {
			t.Fatalf("%s: YAML: %v", patch, err)
		}
		raw, err := yaml.YAMLToJSON(patch)
		if err != nil {
			t.Fatalf("%s: YAML: %v", patch, err)
		}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &want); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if !equality.Semantic.DeepEqual(numbers(got), numbers(want)) {
			t.Errorf("%s:\n got %#v\nwant %#v", patch, got, want)
		}
	})
}

// numbers makes all numbers float64: YAML writes 1.0 as 1.
func numbers(x any) any {
	switch x := x.(type) {
	case map[string]any:
		for k, v := range x {
			x[k] = numbers(v)
		}
	case []any:
		for i, v := range x {
			x[i] = numbers(v)
		}
	case int64:
		return float64(x)
	}
	return x
}

func TestWhatIsPlainJSON(t *testing.T) {
	for i, s := range patchSeeds {
		obj, strict, err := ParsePatch([]byte(s))
		sure := i < 3 || i >= len(patchSeeds)-2
		if sure && (err != nil || strict() != nil || obj == nil) {
			t.Errorf("%s: %v", s, err)
		}
		if sure && !plainJSON([]byte(s)) {
			t.Errorf("%s is not plain", s)
		}
	}
	if _, strict, err := ParsePatch([]byte(`{"a":1,"a":2}`)); err != nil || strict() == nil {
		t.Errorf("a field that is there twice: %v", err)
	}
	obj, _, err := ParsePatch([]byte("count: 9007199254740993\n"))
	if err != nil || obj.Object["count"] != int64(9007199254740993) {
		t.Errorf("%v %v", obj, err)
	}
}
