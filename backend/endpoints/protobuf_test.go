package endpoints

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const protobufType = scheme.MediaProtobuf

// unwrap opens an envelope with the real type.
func unwrap(t *testing.T, b []byte) runtime.Unknown {
	t.Helper()
	var u runtime.Unknown
	rest, ok := bytes.CutPrefix(b, []byte(protobufMagic))
	if !ok {
		t.Fatalf("no magic in %.20q", b)
	}
	if err := u.Unmarshal(rest); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestProtobufEnvelope compares the envelope that is put together by hand with
// the one of the real types, byte by byte.
func TestProtobufEnvelope(t *testing.T) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Data: map[string]string{"a": string(bytes.Repeat([]byte("x"), 300))}}
	cm.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	want, err := scheme.EncodeAs(cm, protobufType, false)
	if err != nil {
		t.Fatal(err)
	}
	body, err := cm.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got := envelope("v1", "ConfigMap", body); !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestListFields checks what the hand-made lists rely on: that in every list of
// the API metadata is field 1 and items is field 2.
func TestListFields(t *testing.T) {
	n := 0
	for gvk := range scheme.Scheme.AllKnownTypes() {
		obj, err := scheme.Scheme.New(gvk)
		if err != nil || !meta.IsListType(obj) {
			continue
		}
		items := reflect.ValueOf(obj).Elem().FieldByName("Items")
		list, isList := obj.(metav1.ListInterface)
		m, ok := obj.(marshaler)
		if !items.IsValid() || !isList || !ok || items.Type().Elem().Kind() != reflect.Struct {
			continue
		}
		n++
		list.SetResourceVersion("7")
		items.Set(reflect.MakeSlice(items.Type(), 1, 1))
		b, err := m.Marshal()
		if err != nil {
			t.Errorf("%v: %v", gvk, err)
			continue
		}
		if b[0] != 1<<3|2 {
			t.Errorf("%v: metadata is not field 1", gvk)
		}
		rest := b[2+int(b[1]):]
		if len(rest) == 0 || rest[0] != itemsField<<3|2 {
			t.Errorf("%v: items is not field 2", gvk)
		}
	}
	if n < 50 {
		t.Errorf("only %d lists were looked at", n)
	}
}

func TestProtobufForms(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", `"data":{"a":"1"}`)
	a.configMap("two", `"data":{"b":"2"}`)
	accept := header{"Accept": protobufType}

	u := unwrap(t, a.do("GET", configMaps+"/one", "", accept).has(200).body)
	var one corev1.ConfigMap
	if err := one.Unmarshal(u.Raw); err != nil || u.Kind != "ConfigMap" || one.Data["a"] != "1" {
		t.Errorf("%v %+v %+v", err, u.TypeMeta, one.Data)
	}

	u = unwrap(t, a.do("GET", configMaps+"?limit=1", "", accept).has(200).body)
	var got, want corev1.ConfigMapList
	if err := got.Unmarshal(u.Raw); err != nil || u.Kind != "ConfigMapList" || u.APIVersion != "v1" {
		t.Fatalf("%v %+v", err, u.TypeMeta)
	}
	if err := json.Unmarshal(a.do("GET", configMaps+"?limit=1", "", nil).body, &want); err != nil {
		t.Fatal(err)
	}
	want.TypeMeta = metav1.TypeMeta{}
	sameJSON(t, got, want)

	u = unwrap(t, a.do("GET", configMaps, "", header{"Accept": protobufType + ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}).has(200).body)
	var partial metav1.PartialObjectMetadataList
	if err := partial.Unmarshal(u.Raw); err != nil || u.APIVersion != "meta.k8s.io/v1" || len(partial.Items) != 2 || partial.Items[1].Name != "two" {
		t.Errorf("%v %+v %+v", err, u.TypeMeta, partial)
	}

	body, err := scheme.EncodeAs(&corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: "three"}, Data: map[string]string{"c": "3"}}, protobufType, false)
	if err != nil {
		t.Fatal(err)
	}
	a.do("POST", configMaps, string(body), header{"Content-Type": protobufType}).has(201, `"c":"3"`)
	a.do("DELETE", configMaps+"/three", string(mustEncode(t, &metav1.DeleteOptions{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"}, DryRun: []string{"All"},
	})), header{"Content-Type": protobufType}).has(200)
	a.do("GET", configMaps+"/three", "", nil).has(200)
}

func mustEncode(t *testing.T, obj runtime.Object) []byte {
	t.Helper()
	b, err := scheme.EncodeAs(obj, protobufType, false)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameJSON(t *testing.T, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// TestProtobufWatchFrames reads the frames with the real type.
func TestProtobufWatchFrames(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.configMap("one", `"data":{"a":"1"}`)
	p := a.do("GET", configMaps+"?watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", "",
		header{"Accept": protobufType}).has(200)
	if p.mime != protobufType+";stream=watch" {
		t.Errorf("content type %s", p.mime)
	}
	b := p.body
	var types []string
	for len(b) > 0 {
		n := binary.BigEndian.Uint32(b)
		var e metav1.WatchEvent
		if err := e.Unmarshal(b[4 : 4+n]); err != nil {
			t.Fatal(err)
		}
		u := unwrap(t, e.Object.Raw)
		var cm corev1.ConfigMap
		if err := cm.Unmarshal(u.Raw); err != nil || u.Kind != "ConfigMap" {
			t.Fatalf("%v %+v", err, u.TypeMeta)
		}
		if e.Type == "BOOKMARK" && cm.Annotations[metav1.InitialEventsAnnotationKey] != "true" {
			t.Errorf("bookmark %+v", cm)
		}
		types = append(types, e.Type+" "+cm.Name)
		b = b[4+n:]
	}
	if want := []string{"ADDED one", "BOOKMARK "}; !reflect.DeepEqual(types, want) {
		t.Errorf("events %q, want %q", types, want)
	}
}
