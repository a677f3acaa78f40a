package openapi

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const statusModel = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"

// part of another server's v2 document: a path of its own, a model that the
// built-in document has otherwise, and one that it has as it is here.
func foreign(t *testing.T, s *Service, group, status string) *spec.Swagger {
	t.Helper()
	b, err := s.apart()
	if err != nil {
		t.Fatal(err)
	}
	options := spec.Schema{}
	if err := json.Unmarshal(b.shared[definitions]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"], &options); err != nil {
		t.Fatal(err)
	}
	options.Extensions = spec.Extensions{kindsExtension: []any{map[string]any{"group": group, "version": "v1", "kind": "DeleteOptions"}}}
	pretty := spec.Parameter{ParamProps: spec.ParamProps{Name: "pretty", In: "query", Description: "of " + status}, SimpleSchema: spec.SimpleSchema{Type: "string"}}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{Swagger: "2.0", Info: info,
		Paths: &spec.Paths{Paths: map[string]spec.PathItem{
			"/apis/" + group + "/v1/things": {PathItemProps: spec.PathItemProps{Get: &spec.Operation{OperationProps: spec.OperationProps{
				ID:         "list" + group,
				Parameters: []spec.Parameter{{Refable: spec.Refable{Ref: spec.MustCreateRef("#/parameters/pretty")}}},
				Responses: &spec.Responses{ResponsesProps: spec.ResponsesProps{StatusCodeResponses: map[int]spec.Response{
					200: {ResponseProps: spec.ResponseProps{Description: "OK", Schema: spec.RefSchema("#/definitions/" + statusModel)}},
					202: {ResponseProps: spec.ResponseProps{Description: "Accepted", Schema: spec.RefSchema("#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")}}}}},
			}}}},
			"/version/": {}, // the built-in document has it
		}},
		Definitions: spec.Definitions{
			statusModel: *new(spec.Schema).Typed("object", "").WithDescription(status),
			"io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions": options,
			"example." + group + ".Thing<\"&\">":                 *new(spec.Schema).Typed("object", ""),
		},
		Parameters: map[string]spec.Parameter{"pretty": pretty},
	}}
}

// What is joined of parts is what upstream's merge of whole documents gives.
func TestPartsAreMergedAsUpstreamDoes(t *testing.T) {
	s := service(t)
	// Two servers with models of the same name that differ, and one with those of
	// the first.
	sources := map[string]*spec.Swagger{}
	for name, status := range map[string]string{"a": "old", "b": "older", "c": "old"} {
		sources[name] = foreign(t, s, name+".example", status)
	}
	var want spec.Swagger
	if err := json.Unmarshal(get(t, s, "/openapi/v2", nil).Body, &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters(&want, sources[name]); err != nil {
			t.Fatal(err)
		}
		s.PutRaw("apis/"+name+".example/v1", []byte("{}"), sources[name])
	}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(what string, got, want []byte) {
		t.Helper()
		var a, b map[string]any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatal(what, err)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		for section := range b {
			if reflect.DeepEqual(a[section], b[section]) {
				continue
			}
			have, _ := a[section].(map[string]any)
			wanted, _ := b[section].(map[string]any)
			for name := range wanted {
				if !reflect.DeepEqual(have[name], wanted[name]) {
					t.Errorf("%s: %s %s: %.2000v, want %.2000v", what, section, name, have[name], wanted[name])
				}
			}
			for name := range have {
				if wanted[name] == nil {
					t.Errorf("%s: %s %s should not be there", what, section, name)
				}
			}
		}
	}
	compare("all", get(t, s, "/openapi/v2", nil).Body, raw)
	if !strings.Contains(string(raw), statusModel+"_v3") {
		t.Fatal("the models do not clash")
	}

	message := func(raw []byte) *openapi_v2.Document {
		doc := &openapi_v2.Document{}
		if err := proto.Unmarshal(raw, doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	got := message(get(t, s, "/openapi/v2", headers{"Accept": protobufV2}).Body)
	parsed, err := openapi_v2.ParseDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	models := func(d *openapi_v2.Document) map[string]*openapi_v2.Schema {
		out := map[string]*openapi_v2.Schema{}
		for _, m := range d.Definitions.AdditionalProperties {
			if out[m.Name] != nil {
				t.Errorf("protobuf: model %s twice", m.Name)
			}
			out[m.Name] = m.Value
		}
		return out
	}
	have, wanted := models(got), models(parsed)
	for name, m := range wanted {
		if !proto.Equal(have[name], m) {
			t.Errorf("protobuf: model %s: %.2000v, want %.2000v", name, have[name], m)
		}
	}
	if len(have) != len(wanted) || len(got.Paths.Path) != len(parsed.Paths.Path) || len(got.Parameters.AdditionalProperties) != len(parsed.Parameters.AdditionalProperties) ||
		got.Swagger != "2.0" || !proto.Equal(got.Info, parsed.Info) {
		t.Errorf("protobuf: %d models, %d paths, %d parameters, %v", len(have), len(got.Paths.Path), len(got.Parameters.AdditionalProperties), got.Info)
	}

	// The first of those that clash goes, and its name is free again.
	before := get(t, s, "/openapi/v2", nil).Header[0]
	s.Remove("apis/a.example/v1")
	after := get(t, s, "/openapi/v2", nil)
	if after.Header[0] == before || strings.Contains(string(after.Body), statusModel+"_v4") || strings.Contains(string(after.Body), `"a.example"`) || strings.Contains(string(after.Body), "/a.example/") {
		t.Error("what was removed is still there")
	}
}

// A source that fails takes nothing from the others.
func TestBadPartsAreLeftOut(t *testing.T) {
	s := service(t)
	s.Put("apis/bad.example/v1", Source{Seed: "1", V2: func() (*spec.Swagger, error) { return nil, fmt.Errorf("it is bad") }})
	s.Put("apis/worse.example/v1", Source{Seed: "1", V2: func() (*spec.Swagger, error) { panic("it is worse") }})
	good := foreign(t, s, "good.example", "old")
	s.Put("apis/good.example/v1", Source{Seed: "1", V2: func() (*spec.Swagger, error) { return good, nil }})
	if got := string(get(t, s, "/openapi/v2", nil).Body); !strings.Contains(got, "/apis/good.example/v1/things") || !json.Valid([]byte(got)) {
		t.Error("the good one is missing")
	}
}

// Only what changed is made again.
func TestPartsAreMadeOnce(t *testing.T) {
	s := service(t)
	made := map[string]int{}
	put := func(name string) {
		part := foreign(t, s, name, "old")
		s.Put("apis/"+name+"/v1", Source{Seed: "1", V2: func() (*spec.Swagger, error) { made[name]++; return part, nil }})
	}
	put("a.example")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) { // made beside, before anybody asks
		s.merging.Lock()
		is := s.added["apis/a.example/v1"].part != nil
		s.merging.Unlock()
		if is {
			break
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatal("it is not made")
		}
	}
	stop()
	<-ended
	get(t, s, "/openapi/v2", nil)
	get(t, s, "/openapi/v2", headers{"Accept": protobufV2})
	put("b.example")
	get(t, s, "/openapi/v2", nil)
	if a, b := made["a.example"], made["b.example"]; a != 1 || b != 2 { // b's model is like a's: it is resolved against it
		t.Errorf("a was made %d times, b %d times", a, b)
	}
}
