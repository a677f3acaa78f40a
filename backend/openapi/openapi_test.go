package openapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"

	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
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

func get(t *testing.T, s *Service, path string, h headers) *request.Response {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	resp, err := s.Handle(context.Background(), &request.Request{Method: "GET", Path: path, RawQuery: query, Header: h})
	if err != nil {
		t.Fatal(path, err)
	}
	return resp
}

func service(t *testing.T) *Service {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every served version of every resource has a document with its paths.
func TestEmbeddedDocumentsCoverTheResources(t *testing.T) {
	s := service(t)
	for _, d := range Documents(resources.All(&registry.Env{})) {
		resp := get(t, s, "/openapi/v3/"+d.Name, nil)
		if resp.Status != 0 {
			t.Errorf("%s: status %d: run make generate", d.Name, resp.Status)
			continue
		}
		var doc struct {
			Paths map[string]map[string]json.RawMessage `json:"paths"`
		}
		if err := json.Unmarshal(resp.Body, &doc); err != nil {
			t.Fatal(err)
		}
		for _, r := range d.Routes {
			if _, ok := doc.Paths[r.Path()][strings.ToLower(r.Method())]; !ok {
				t.Errorf("%s has no %s %s: run make generate", d.Name, r.Method(), r.Path())
			}
		}
	}
}

func TestFormatsTagsAndHashes(t *testing.T) {
	s := service(t)
	index := get(t, s, "/openapi/v3", nil)
	var paths struct {
		Paths map[string]struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(index.Body, &paths); err != nil {
		t.Fatal(err)
	}
	url := paths.Paths["api/v1"].ServerRelativeURL
	if r := get(t, s, url, nil); r.Status != 0 || !json.Valid(r.Body) {
		t.Errorf("%s: status %d", url, r.Status)
	}
	if r := get(t, s, "/openapi/v3/api/v1?hash=0000", nil); r.Status != 301 || r.Header[0].Value != url {
		t.Errorf("a stale hash gives %d %v", r.Status, r.Header)
	}
	if r := get(t, s, "/openapi/v2", headers{"Accept": "text/html"}); r.Status != 406 {
		t.Errorf("text/html gives %d", r.Status)
	}
	for _, path := range []string{"/openapi/v2", "/openapi/v3/apis/apps/v1"} {
		version := path[9:11]
		pb := get(t, s, path, headers{"Accept": "application/com.github.proto-openapi.spec." + version + "@v1.0+protobuf"})
		if !strings.HasSuffix(pb.ContentType, "+protobuf") || len(pb.Body) == 0 || json.Valid(pb.Body) {
			t.Errorf("%s as protobuf: %s, %d bytes", path, pb.ContentType, len(pb.Body))
		}
	}
	zipped := get(t, s, "/openapi/v2", headers{"Accept-Encoding": "gzip"})
	if zipped.Body[0] != 0x1f || zipped.Body[1] != 0x8b {
		t.Error("gzip was asked for and not sent")
	}
	again := get(t, s, "/openapi/v2", headers{"If-None-Match": zipped.Header[0].Value})
	if again.Status != 304 || again.Body != nil {
		t.Errorf("a known document gives %d", again.Status)
	}
	if r := get(t, s, "/openapi/v3/apis/nope.example.com/v1", nil); r.Status != 404 {
		t.Errorf("an unknown document gives %d", r.Status)
	}
}

func TestAddedDocumentsAppearAndGo(t *testing.T) {
	s := service(t)
	before := get(t, s, "/openapi/v2", nil)
	v2 := &spec.Swagger{SwaggerProps: spec.SwaggerProps{Swagger: "2.0", Info: info, Paths: &spec.Paths{Paths: map[string]spec.PathItem{"/apis/example.com/v1/widgets": {}}},
		Definitions: spec.Definitions{"com.example.v1.Widget": spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}}}}
	s.Put("apis/example.com/v1", Source{Seed: "1",
		V3: func() (*spec3.OpenAPI, error) { return &spec3.OpenAPI{Version: "3.0.0"}, nil },
		// What makes a part asks the Service for models, and documents come meanwhile.
		V2: func() (*spec.Swagger, error) {
			_, err := s.SharedModels(false)
			s.PutRaw("apis/example.com/v2", []byte("{}"), nil)
			return v2, err
		}})
	if r := get(t, s, "/openapi/v3/apis/example.com/v1", nil); r.Status != 0 {
		t.Errorf("the added document gives %d", r.Status)
	}
	if r := get(t, s, "/openapi/v2", nil); !strings.Contains(string(r.Body), "/apis/example.com/v1/widgets") {
		t.Error("v2 lacks the added path")
	}
	s.Remove("apis/example.com/v1")
	if r := get(t, s, "/openapi/v2", nil); r.Header[0] != before.Header[0] {
		t.Error("v2 is not what it was before")
	}
}
