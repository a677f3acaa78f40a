package scheme

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzAppendJSON: values are written as encoding/json writes them, and are equal
// to themselves when they are read again.
func FuzzAppendJSON(f *testing.F) {
	f.Add(`{"b":[1,"two",3.5,null,true,{}],"a":{"<&>":"\u2028\u0001\"\\","é":"ü"},"":-1e300,"n":9007199254740993}`)
	f.Add("[]")
	f.Add(`"` + "\xff" + `"`)
	f.Fuzz(func(t *testing.T, text string) {
		var u unstructured.Unstructured
		if json.Unmarshal([]byte(text), &u.Object) != nil {
			return
		}
		want, err := json.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendJSON(nil, u.Object)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
		if c := u.DeepCopy(); !EqualJSON(map[string]any(u.Object), map[string]any(c.Object)) {
			t.Errorf("%s is not equal to itself", want)
		}
	})
}

func TestAppendJSONOfOtherTypes(t *testing.T) {
	for _, v := range []any{int32(3), []string{"a"}, map[string]string{"a": "b"}, map[string]any(nil), []any(nil), json.RawMessage(`{"a": 1}`)} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AppendJSON(nil, v); err != nil || string(got) != string(want) {
			t.Errorf("%T: %s, want %s: %v", v, got, want, err)
		}
	}
	if _, err := AppendJSON(nil, map[string]any{"a": []any{math.Inf(1)}}); err == nil {
		t.Error("what is no JSON is written")
	}
}

func TestEqualJSON(t *testing.T) {
	values := []any{nil, true, false, "", "a", int64(1), int64(2), 1.0, 2.5, []any{}, []any{int64(1)}, []any{int64(1), nil}, map[string]any{}, map[string]any{"a": nil}, map[string]any{"b": nil}, map[string]any{"a": int64(1)}}
	for i, a := range values {
		for j, b := range values {
			if EqualJSON(a, b) != (i == j) {
				t.Errorf("%v and %v: %v", a, b, i != j)
			}
		}
	}
}

// managedFields of custom resources are what apimachinery's methods give and set.
func TestManagedFieldsOfCustomResources(t *testing.T) {
	at := metav1.NewTime(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, entries := range [][]metav1.ManagedFieldsEntry{
		nil, {},
		{{Manager: "a", Operation: "Update", APIVersion: "v1", Time: &at, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:a":{".":{},"k:{\"x\":\"<\"}":{}}}`)}},
			{Manager: "b", Operation: "Apply", Subresource: "status"}},
		{{}},
		{{Manager: "a", Time: &metav1.Time{}}},
		{{Manager: "a", FieldsV1: &metav1.FieldsV1{Raw: []byte(`null`)}}},
		{{Manager: "a", FieldsV1: &metav1.FieldsV1{}}},
	} {
		ours, theirs := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "a"}}}, &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "a"}}}
		SetManagedFields(ours, entries)
		theirs.SetManagedFields(entries)
		if !reflect.DeepEqual(ours.Object, theirs.Object) {
			t.Errorf("%v is set as %v, want %v", entries, ours.Object, theirs.Object)
		}
		if got, want := ManagedFields(theirs), theirs.GetManagedFields(); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	for _, wrong := range []any{"x", []any{"x"}, []any{map[string]any{"time": "soon"}}, []any{map[string]any{"more": "x"}}, []any{map[string]any{"manager": int64(1)}}, []any{map[string]any{"fieldsV1": "x"}}, []any{map[string]any{"time": nil}}} {
		u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"managedFields": wrong}}}
		if got, want := ManagedFields(u), u.GetManagedFields(); !reflect.DeepEqual(got, want) {
			t.Errorf("%v gives %v, want %v", wrong, got, want)
		}
	}
	if none := (&unstructured.Unstructured{}); ManagedFields(none) != nil {
		t.Error("an empty object has managedFields")
	}
}
