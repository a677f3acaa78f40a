package scheme

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var (
	builtin = Offer{Routed: true, Table: true, Metadata: true}
	custom  = Offer{NoProtobuf: true, Table: true, Metadata: true}
)

func TestNegotiate(t *testing.T) {
	f := func(o Offer, accept, mediaType, as string, pretty bool) {
		t.Helper()
		m, err := Negotiate(accept, o)
		if err != nil {
			t.Fatal(err)
		}
		got := m.As.Kind
		if got != "" {
			got += "." + m.As.Version + "." + m.As.Group
		}
		if m.Type != mediaType || got != as || m.Pretty != pretty {
			t.Fatalf("got %+v", m)
		}
	}
	f(builtin, "", MediaJSON, "", false)
	f(builtin, "*/*", MediaJSON, "", false)
	f(builtin, "text/html, application/xml, application/json", MediaJSON, "", false)
	f(builtin, "application/json;q=0.1, application/yaml;q=0.9", MediaYAML, "", false)
	f(builtin, "*/*;q=0.9,application/yaml;q=0.9", MediaYAML, "", false)
	f(builtin, "application/json;charset=utf-8", MediaJSON, "", false)
	f(builtin, "application/json;pretty=1", MediaJSON, "", true)
	f(builtin, "application/vnd.kubernetes.protobuf,application/json", MediaProtobuf, "", false)
	f(custom, "application/vnd.kubernetes.protobuf,application/json", MediaJSON, "", false)
	f(custom, "application/*", MediaJSON, "", false)
	f(builtin, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", MediaJSON, "Table.v1.meta.k8s.io", false)
	f(builtin, "application/json;as=Table;v=v1beta1;g=meta.k8s.io", MediaJSON, "Table.v1beta1.meta.k8s.io", false)
	f(builtin, "application/json;as=Table;v=v9;g=meta.k8s.io,application/json", MediaJSON, "", false)
	f(builtin, "application/yaml;as=Table;v=v1;g=meta.k8s.io", MediaYAML, "Table.v1.meta.k8s.io", false)
	f(builtin, "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json", MediaJSON, "", false)
	f(builtin, "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", MediaProtobuf, "PartialObjectMetadata.v1.meta.k8s.io", false)
	f(custom, "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", MediaProtobuf, "PartialObjectMetadata.v1.meta.k8s.io", false)
	watch := builtin
	watch.Watch = true
	f(watch, "application/json;stream=watch", MediaJSON, "", false)
	f(watch, "application/vnd.kubernetes.protobuf;stream=watch", MediaProtobuf, "", false)
}

func TestNotAcceptable(t *testing.T) {
	f := func(o Offer, accept, message string) {
		t.Helper()
		_, err := Negotiate(accept, o)
		if !apierrors.IsNotAcceptable(err) || err.Error() != message {
			t.Fatalf("got %v", err)
		}
	}
	only := "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
	routed := "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf"
	f(builtin, "application/xml", routed)
	f(builtin, "application/*", routed)
	f(builtin, "Application/JSON", routed)
	f(builtin, "application/json;as=Chart;v=v1;g=meta.k8s.io", only)
	f(builtin, "application/json;as=Table;v=v9;g=meta.k8s.io", only)
	f(builtin, "application/json;as=Table;v=v1;g=apps", only)
	f(custom, "application/vnd.kubernetes.protobuf", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf")
	watch := builtin
	watch.Watch = true
	f(watch, "application/cbor", routed+", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch")
	plain := Offer{}
	f(plain, "application/json;as=Table;v=v1;g=meta.k8s.io", only)
}

func TestNegotiateBody(t *testing.T) {
	f := func(contentType, want string) {
		t.Helper()
		got, err := NegotiateBody(contentType, builtin)
		if err != nil || got != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	f("", MediaJSON)
	f("application/json; charset=utf-8", MediaJSON)
	f("application/yaml", MediaYAML)
	f("application/vnd.kubernetes.protobuf", MediaProtobuf)
	_, err := NegotiateBody("text/plain", builtin)
	if !apierrors.IsUnsupportedMediaType(err) || err.Error() != "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf" {
		t.Fatalf("got %v", err)
	}
	if _, err := NegotiateBody(MediaProtobuf, custom); !apierrors.IsUnsupportedMediaType(err) {
		t.Fatalf("got %v", err)
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"*/*", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5", ";;,=,/;q=x", "*/*;q=NaN,application/json;q=-1", "a/b/c,*,*/json"} {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, accept string, n uint8) {
		o := Offer{Routed: n&1 != 0, NoProtobuf: n&2 != 0, Table: n&4 != 0, Metadata: n&8 != 0, Watch: n&16 != 0}
		m, err := Negotiate(accept, o)
		switch {
		case err != nil:
			if !apierrors.IsNotAcceptable(err) {
				t.Fatalf("got %v", err)
			}
		case m.Type != MediaJSON && m.Type != MediaYAML && m.Type != MediaProtobuf,
			m.Type == MediaProtobuf && o.NoProtobuf && m.As.Kind == "",
			m.As.Kind == "Table" && !o.Table:
			t.Fatalf("got %+v", m)
		}
	})
}
