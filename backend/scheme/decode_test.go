package scheme

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	configMapKind  = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	deploymentKind = appsv1.SchemeGroupVersion.WithKind("Deployment")
	customKind     = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}
)

// empty gives what a body of a kind is decoded into.
func empty(t testing.TB, gvk schema.GroupVersionKind) runtime.Object {
	t.Helper()
	if gvk == customKind {
		return &unstructured.Unstructured{}
	}
	obj, err := NewObject(gvk)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestDecode(t *testing.T) {
	f := func(gvk schema.GroupVersionKind, mediaType, body string, want runtime.Object) {
		t.Helper()
		got := empty(t, gvk)
		strict, err := Decode([]byte(body), mediaType, got, gvk, Strict)
		if err != nil || strict != nil {
			t.Fatal(strict, err)
		}
		want.GetObjectKind().SetGroupVersionKind(gvk)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %#v\nwant %#v", got, want)
		}
	}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	cm := &corev1.ConfigMap{ObjectMeta: named("one"), Data: map[string]string{"a": "1"}}
	f(configMapKind, MediaJSON, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"},"data":{"a":"1"}}`, cm.DeepCopy())
	f(configMapKind, MediaJSON, ` {"metadata":{"name":"one"},"data":{"a":"1"}} `, cm.DeepCopy())
	f(configMapKind, MediaJSON, `{"kind":"ConfigMap","metadata":{"name":"one","creationTimestamp":null},"data":{"a":"1"},"binaryData":null}`, cm.DeepCopy())
	f(configMapKind, MediaJSON, `null`, &corev1.ConfigMap{})
	f(configMapKind, MediaYAML, "metadata: {name: one}\ndata:\n  a: \"1\"\n", cm.DeepCopy())
	f(configMapKind, MediaYAML, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"},"data":{"a":"1"}}`, cm.DeepCopy())
	cm.SetGroupVersionKind(configMapKind)
	protobuf, err := EncodeAs(cm, MediaProtobuf, false)
	if err != nil {
		t.Fatal(err)
	}
	f(configMapKind, MediaProtobuf, string(protobuf), cm.DeepCopy())
	f(customKind, MediaJSON, `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"one"},"n":9007199254740993,"f":1.5}`,
		&unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": "one"}, "n": int64(9007199254740993), "f": 1.5}})
	f(customKind, MediaYAML, "apiVersion: example.com/v1\nkind: Thing\nnum: 3\n",
		&unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "num": int64(3)}})
}

func TestDecodeRefusals(t *testing.T) {
	f := func(gvk schema.GroupVersionKind, mediaType, body, want string) {
		t.Helper()
		_, err := Decode([]byte(body), mediaType, empty(t, gvk), gvk, Strict)
		if !apierrors.IsBadRequest(err) || err.Error() != want {
			t.Fatalf("got  %v\nwant %s", err, want)
		}
	}
	f(configMapKind, MediaJSON, `{"apiVersion":"v1","kind":"ConfigMap","metadata"`, `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({"apiVersion":"v1","kind":"Con ...)`)
	f(configMapKind, MediaJSON, `hello`, `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character 'h' looking for beginning of value (68656c6c6f)`)
	f(configMapKind, MediaJSON, ``, `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`)
	f(configMapKind, MediaJSON, `[]`, `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" } (5b5d)`)
	f(configMapKind, MediaJSON, `{"apiVersion":"v1","kind":"ConfigMap"}{}`, `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character '{' after top-level value ({"apiVersion":"v1","kind":"Con ...)`)
	f(configMapKind, MediaJSON, `{"apiVersion":"v1","kind":"Gadget"}`, `Gadget in version "v1" cannot be handled as a ConfigMap: no kind "Gadget" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"`)
	f(configMapKind, MediaJSON, `{"apiVersion":"v1","kind":"Secret"}`, `Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion`)
	f(configMapKind, MediaJSON, `{"apiVersion":"apps/v1","kind":"ConfigMap"}`, `ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "apps/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"`)
	f(rbacv1.SchemeGroupVersion.WithKind("Role"), MediaJSON, `{"apiVersion":"v1","kind":"Secret"}`, `Secret in version "v1" cannot be handled as a Role: converting (v1.Secret) to (rbac.Role): unknown conversion`)
	f(configMapKind, MediaJSON, `{"data":[]}`, `ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string`)
	f(configMapKind, MediaJSON, `{"dataa":{},"data":{"a":"1","a":"2"}}`, `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa", duplicate field "data.a"`)
	f(configMapKind, MediaYAML, "data: {a: b}\ndata: {a: c}\n", "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  line 2: key \"data\" already set in map")
	f(configMapKind, MediaYAML, "apiVersion: v1\nkind: [ConfigMap\n", `the object provided is unrecognized (must be of type ConfigMap): yaml: line 2: did not find expected ',' or ']' (61706956657273696f6e3a2076310a6b696e643a205b436f6e6669674d61 ...)`)
	f(configMapKind, MediaProtobuf, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}`, `the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({"apiVersion":"v1","kind":"Con ...)`)
	f(autoscalingv1.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), MediaJSON, `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler"}`, `the API version in the data (autoscaling/v2) does not match the expected API version (autoscaling/v1)`)
	f(eventsv1.SchemeGroupVersion.WithKind("Event"), MediaJSON, `{"apiVersion":"v1","kind":"Event"}`, `the API version in the data (v1) does not match the expected API version (events.k8s.io/v1)`)
	f(customKind, MediaJSON, `{"apiVersion":"example.com/v2","kind":"Thing"}`, `the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)`)
	f(customKind, MediaJSON, `{"apiVersion":"example.com/v1"}`, `the object provided is unrecognized (must be of type Thing): Object 'Kind' is missing in '{"apiVersion":"example.com/v1"}' ({"apiVersion":"example.com/v1" ...)`)
	f(customKind, MediaJSON, `{"kind":"Thing"}`, `the API version in the data () does not match the expected API version (example.com/v1)`)
	f(customKind, MediaJSON, `{"apiVersion":"example.com/v1","kind":"Thing","a":1,"a":2}`, `Thing in version "v1" cannot be handled as a Thing: strict decoding error: duplicate field "a"`)
}

func TestDecodeValidation(t *testing.T) {
	body := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namee":"x"},"spec":{"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"imagee":"x"}]}}}}`
	f := func(v Validation, want string) {
		t.Helper()
		d := &appsv1.Deployment{}
		strict, err := Decode([]byte(body), MediaJSON, d, deploymentKind, v)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(strict) != want || *d.Spec.Replicas != 2 || d.Name != "d" {
			t.Fatalf("got %v %v", strict, d)
		}
	}
	f(Ignore, `[]`)
	f(Warn, `[unknown field "metadata.namee" duplicate field "spec.replicas" unknown field "spec.template.spec.containers[0].imagee"]`)
	custom := &unstructured.Unstructured{}
	strict, err := Decode([]byte(`{"apiVersion":"example.com/v1","kind":"Thing","a":1,"a":2}`), MediaJSON, custom, customKind, Warn)
	if err != nil || fmt.Sprint(strict) != `[duplicate field "a"]` {
		t.Fatalf("got %v, %v", strict, err)
	}
}

func TestDecodeBounds(t *testing.T) {
	for _, body := range []string{
		strings.Repeat("[", 20000),
		`{"data":` + strings.Repeat(`{"a":`, 20000),
		`{"metadata":{"generation":1e400}}`,
		`{"metadata":{"generation":99999999999999999999}}`,
		`{"metadata":{"name":"\ud800"}}x`,
	} {
		for _, gvk := range []schema.GroupVersionKind{configMapKind, customKind} {
			for _, m := range []string{MediaJSON, MediaYAML, MediaProtobuf} {
				if _, err := Decode([]byte(body), m, empty(t, gvk), gvk, Warn); !apierrors.IsBadRequest(err) {
					t.Errorf("%.40s as %s of %s: got %v", body, m, gvk.Kind, err)
				}
			}
		}
	}
}

// Nested JSON schemas in protobuf: without a limit they overflow the stack.
func TestDecodeOfDeepProtobuf(t *testing.T) {
	crd := apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")
	f := func(depth int, named bool) error {
		var inner []byte
		wrap := func(tag ...byte) []byte {
			return append(binary.AppendUvarint(append([]byte{}, tag...), uint64(len(inner))), inner...)
		}
		heads, size := [][]byte{}, 0
		for range depth {
			head := binary.AppendUvarint([]byte{0xe2, 0x01}, uint64(size)) // JSONSchemaProps.not
			heads, size = append(heads, head), size+len(head)
		}
		slices.Reverse(heads)
		inner = slices.Concat(heads...)
		inner = wrap(0x0a) // CustomResourceValidation.openAPIV3Schema
		inner = wrap(0x22) // CustomResourceDefinitionVersion.schema
		inner = wrap(0x3a) // CustomResourceDefinitionSpec.versions
		inner = wrap(0x12) // CustomResourceDefinition.spec
		u := runtime.Unknown{Raw: inner}
		into := crd
		if named {
			u.APIVersion, u.Kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
			into = configMapKind
		}
		body, err := u.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Decode(append([]byte("k8s\x00"), body...), MediaProtobuf, empty(t, into), into, Warn)
		return err
	}
	if err := f(20, false); err != nil {
		t.Fatal(err)
	}
	for _, named := range []bool{true, false} {
		err := f(590000, named)
		if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "proto: exceeded max depth") {
			t.Fatalf("got %.200v", err)
		}
	}
}

// The fast way must never give another object than the way that Kubernetes
// takes.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one","labels":{"a":"b"}},"data":{"a":"1"},"binaryData":{"x":"AAEC"},"immutable":true}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"100m","memory":1024}},"livenessProbe":{"httpGet":{"port":"http"}}}],"activeDeadlineSeconds":30},"status":{"phase":"Running"}}`,
		`{"Kind":"x","kind":"ConfigMap"}`, `{"data":{"a":1}}`, `{"data":{"a":null}}`, "{\"data\":{\"a\":\"\xff\"}}", `{"kind":"ConfigMap","kind":"Secret"}`, `[]`, `null`, ``,
		"k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x00",
		"apiVersion: v1\nkind: Pod\nspec: &a\n  containers: [{name: c, <<: *a}]\n",
	} {
		f.Add([]byte(s), uint8(0))
	}
	kinds := []schema.GroupVersionKind{configMapKind, corev1.SchemeGroupVersion.WithKind("Pod"), customKind}
	media := []string{MediaJSON, MediaYAML, MediaProtobuf}
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		gvk, m, v := kinds[int(n)%3], media[int(n/3)%3], []Validation{Ignore, Warn, Strict}[int(n/9)%3]
		got := empty(t, gvk)
		_, err := Decode(body, m, got, gvk, v)
		if err != nil {
			if !apierrors.IsBadRequest(err) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if gvk == customKind || m != MediaJSON {
			return
		}
		want, _, err := serializers[false][false].Decode(body, &gvk, nil)
		if err != nil {
			t.Fatalf("accepted, though: %v", err)
		}
		a, _ := json.Marshal(got)
		want.GetObjectKind().SetGroupVersionKind(gvk)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Fatalf("got  %s\nwant %s", a, b)
		}
	})
}
