package discovery

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/storage/memory"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"pilothouse/backend/scheme"
)

type headers map[string]string

func (h headers) Get(name string) string { return h[name] }
func (h headers) Values(name string) []string {
	if v, ok := h[name]; ok {
		return []string{v}
	}
	return nil
}
func (h headers) Each(f func(name, value string)) {
	for k, v := range h {
		f(k, v)
	}
}

func newService(t *testing.T) *Service {
	t.Helper()
	r, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	env := &registry.Env{Clock: time.Now, Registry: r}
	if err := r.Add(resources.All(env)...); err != nil {
		t.Fatal(err)
	}
	return New(Config{Registry: r, Address: "127.0.0.1:7443"})
}

func get(t *testing.T, s *Service, path string, h headers) (*request.Response, error) {
	t.Helper()
	if h == nil {
		h = headers{}
	}
	return s.Handle(context.Background(), &request.Request{Method: "GET", Path: path, Header: h})
}

func mustGet(t *testing.T, s *Service, path string, h headers) *request.Response {
	t.Helper()
	p, err := get(t, s, path, h)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return p
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %.200s", err, b)
	}
	return v
}

const aggregatedV2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// TestDocumentsEqualTheReference compares the documents of the built-in
// resources with those of kube-apiserver 1.36.
func TestDocumentsEqualTheReference(t *testing.T) {
	s := newService(t)
	same := func(path, accept, file string) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, mustGet(t, s, path, headers{"Accept": accept}).Body)
		if want := decode(t, raw); !reflect.DeepEqual(got, want) {
			g, _ := json.MarshalIndent(got, "", " ")
			t.Errorf("%s differs from testdata/%s; got\n%s", path, file, g)
		}
	}
	same("/api", "", "api.json")
	same("/api/v1", "", "api-v1.json")
	same("/apis", "", "apis.json")
	same("/apis", aggregatedV2, "aggregated-apis.json")
}

func TestUnknownPaths(t *testing.T) {
	s := newService(t)
	page := func(path string) {
		t.Helper()
		p := mustGet(t, s, path, nil)
		if p.Status != 404 || string(p.Body) != "404 page not found\n" {
			t.Errorf("%s: %d %s", path, p.Status, p.Body)
		}
	}
	page("/apis/nope.example.com")
	page("/apis/nope.example.com/v1")
	page("/apis/extensions")
	status := func(path string) {
		t.Helper()
		if _, err := get(t, s, path, nil); !apierrors.IsNotFound(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	status("/api/v2")
	status("/apis/batch/v1beta1")
	status("/apis/apps/deployments")
}

func TestETag(t *testing.T) {
	s := newService(t)
	p := mustGet(t, s, "/apis", headers{"Accept": aggregatedV2})
	etag := ""
	for _, h := range p.Header {
		if h.Name == "ETag" {
			etag = h.Value
		}
	}
	if etag == "" || p.ContentType != aggregatedV2 {
		t.Fatalf("ETag %q, content type %q", etag, p.ContentType)
	}
	again := mustGet(t, s, "/apis", headers{"Accept": aggregatedV2, "If-None-Match": etag})
	if again.Status != 304 || len(again.Body) != 0 {
		t.Errorf("with If-None-Match: %d, %d bytes", again.Status, len(again.Body))
	}
	addWidgets(t, s)
	changed := mustGet(t, s, "/apis", headers{"Accept": aggregatedV2, "If-None-Match": etag})
	if changed.Status == 304 {
		t.Error("304 after the table has changed")
	}
}

func addWidgets(t *testing.T, s *Service) {
	t.Helper()
	err := s.Registry.Add(registry.Resource{
		Group: "example.com", Name: "widgets", Singular: "widget", Kind: "Widget", Namespaced: true, Dynamic: true,
		Verbs: []string{"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"},
		Versions: []registry.Version{
			{Name: "v1", New: func() scheme.Object { return &unstructured.Unstructured{} }},
		},
		Subresources: []registry.Subresource{{Name: "status", Verbs: []string{"get", "patch", "update"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCustomResources checks what differs for them: the kinds of the aggregated
// document name their group version, and there is no router that minds methods.
func TestCustomResources(t *testing.T) {
	s := newService(t)
	addWidgets(t, s)
	body := mustGet(t, s, "/apis", headers{"Accept": aggregatedV2}).Body
	want := `"responseKind":{"group":"example.com","version":"v1","kind":"Widget"},"scope":"Namespaced"`
	if !strings.Contains(string(body), want) {
		t.Errorf("no %s in the aggregated document", want)
	}
	p, err := s.Handle(context.Background(), &request.Request{Method: "POST", Path: "/apis/example.com/v1", Header: headers{}})
	if err != nil || !strings.Contains(string(p.Body), `"name":"widgets/status"`) {
		t.Errorf("POST: %v %v", p, err)
	}
	if _, err := s.Handle(context.Background(), &request.Request{Method: "POST", Path: "/apis/apps/v1", Header: headers{}}); !apierrors.IsMethodNotSupported(err) {
		t.Errorf("POST /apis/apps/v1: %v", err)
	}
}

func TestRemoteGroups(t *testing.T) {
	s := newService(t)
	generation := int64(1)
	s.Remote = func() ([]RemoteGroup, int64) {
		return []RemoteGroup{{
			APIGroupDiscovery: apidiscoveryv2.APIGroupDiscovery{
				ObjectMeta: metav1.ObjectMeta{Name: "metrics.k8s.io"},
				Versions:   []apidiscoveryv2.APIVersionDiscovery{{Version: "v1beta1", Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}},
			},
			Priority: 17999,
		}}, generation
	}
	var list metav1.APIGroupList
	if err := json.Unmarshal(mustGet(t, s, "/apis", nil).Body, &list); err != nil {
		t.Fatal(err)
	}
	if name := list.Groups[1].Name; name != "metrics.k8s.io" {
		t.Errorf("second group is %s", name)
	}
	if p := mustGet(t, s, "/apis/metrics.k8s.io", nil); p.Status == 404 {
		t.Error("the group has no document")
	}
}

func TestOldAggregatedVersion(t *testing.T) {
	s := newService(t)
	p := mustGet(t, s, "/api", headers{"Accept": "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"})
	if !strings.HasPrefix(string(p.Body), `{"kind":"APIVersions"`) {
		t.Errorf("got %.120s", p.Body)
	}
	if _, err := get(t, s, "/apis", headers{"Accept": "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"}); !apierrors.IsNotAcceptable(err) {
		t.Errorf("v2beta1 alone: %v", err)
	}
	if _, err := get(t, s, "/api", headers{"Accept": "application/json;g=apidiscovery.k8s.io;v=v99;as=APIGroupDiscoveryList"}); err == nil {
		t.Error("v99 was served")
	}
}
