package scheme

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Every kind of the API with metadata has its resourceVersion where Encode says.
func TestEncodeOfEveryKind(t *testing.T) {
	kinds := 0
	for gvk := range Scheme.AllKnownTypes() {
		o, err := NewObject(gvk)
		if err != nil {
			t.Fatal(err)
		}
		obj, ok := o.(Object)
		if !ok || gvk.Version == "__internal" {
			continue
		}
		kinds++
		obj.SetName("one")
		obj.SetAnnotations(map[string]string{"a": `"resourceVersion":"5"`})
		e, err := Encode(obj, gvk, 12345)
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Raw[e.HoleOffset:e.HoleOffset+e.HoleLen]) != "12345" {
			t.Fatalf("%s: the hole is at %q", gvk, e.Raw[e.HoleOffset:])
		}
		copy(e.Raw[e.HoleOffset:], "67890")
		back := reflect.New(reflect.TypeOf(obj).Elem()).Interface().(Object)
		if err := DecodeStored(e.Raw, back); err != nil {
			t.Fatal(err)
		}
		obj.SetResourceVersion("67890")
		a, _ := json.Marshal(obj)
		b, _ := json.Marshal(back)
		if string(a) != string(b) || back.GetObjectKind().GroupVersionKind() != gvk {
			t.Fatalf("got %s\nwant %s", b, a)
		}
		if offset, length := FindHole(e.Raw, "67890"); offset != e.HoleOffset || length != 5 {
			t.Fatalf("%s: found the hole at %d", gvk, offset)
		}
	}
	if kinds < 70 {
		t.Fatalf("only %d kinds", kinds)
	}
}

func TestEncodeUnstructured(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{
		"aaa":      map[string]any{"resourceVersion": "1"},
		"metadata": map[string]any{"annotations": map[string]any{"resourceVersion": "2"}, "name": "one", "resourceVersion": "3"},
		"spec":     map[string]any{"html": "<&>", "n": int64(9007199254740993), "nothing": nil},
		"with":     []any{},
	}}
	e, err := Encode(u, customKind, 77)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"resourceVersion":"77","annotations":{"resourceVersion":"2"},"name":"one"},` +
		`"aaa":{"resourceVersion":"1"},"spec":{"html":"\u003c\u0026\u003e","n":9007199254740993,"nothing":null},"with":[]}`
	if string(e.Raw) != want || string(e.Raw[e.HoleOffset:e.HoleOffset+e.HoleLen]) != "77" {
		t.Fatalf("got  %s\nwant %s", e.Raw, want)
	}
	e, err = Encode(u, customKind, 0)
	if err != nil || e.HoleLen != 0 || strings.Contains(string(e.Raw), `"77"`) {
		t.Fatalf("got %s, %v", e.Raw, err)
	}
	bare, err := Encode(&unstructured.Unstructured{Object: map[string]any{}}, customKind, 0)
	if err != nil || string(bare.Raw) != `{"apiVersion":"example.com/v1","kind":"Thing"}` {
		t.Fatalf("got %s, %v", bare.Raw, err)
	}
}

func TestEncodeAs(t *testing.T) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Data: map[string]string{"a": "1"}}
	cm.SetGroupVersionKind(configMapKind)
	f := func(mediaType string, pretty bool, want string) {
		t.Helper()
		b, err := EncodeAs(cm, mediaType, pretty)
		if err != nil || string(b) != want {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	f(MediaJSON, false, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"one"},"data":{"a":"1"}}`+"\n")
	f(MediaJSON, true, "{\n  \"kind\": \"ConfigMap\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {\n    \"name\": \"one\"\n  },\n  \"data\": {\n    \"a\": \"1\"\n  }\n}\n")
	f(MediaYAML, false, "apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\nmetadata:\n  name: one\n")
	b, err := EncodeAs(cm, MediaProtobuf, false)
	if err != nil || !strings.HasPrefix(string(b), "k8s\x00") {
		t.Fatalf("got %q, %v", b, err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing"}}
	if _, err := EncodeAs(u, MediaProtobuf, false); !apierrors.IsNotAcceptable(err) {
		t.Fatalf("got %v", err)
	}
	b, err = EncodeAs(u, MediaYAML, false)
	var back map[string]any
	if err != nil || yaml.Unmarshal(b, &back) != nil || back["kind"] != "Thing" {
		t.Fatalf("got %s, %v", b, err)
	}
}
