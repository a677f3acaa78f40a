package crd

import (
	"encoding/json"
	"fmt"
	"testing"

	"pilothouse/backend/openapi"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// manyFields is an established definition with forty objects of three fields.
func manyFields(i int) *Definition {
	maxLength, least := int64(63), 1.0
	fields := map[string]apiextensionsv1.JSONSchemaProps{}
	for f := range 40 {
		fields[fmt.Sprint("field", f)] = apiextensionsv1.JSONSchemaProps{Type: "object", Description: "What is said about the field of this number", Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"name": {Type: "string", MaxLength: &maxLength}, "size": {Type: "integer", Minimum: &least},
			"tags": {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}}},
		}}
	}
	names := apiextensionsv1.CustomResourceDefinitionNames{Plural: fmt.Sprint("things", i), Singular: fmt.Sprint("thing", i), Kind: fmt.Sprint("Thing", i), ListKind: fmt.Sprintf("Thing%dList", i)}
	group := fmt.Sprintf("group%d.example", i/10)
	return &Definition{
		ObjectMeta: metav1.ObjectMeta{Name: names.Plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{Group: group, Scope: apiextensionsv1.NamespaceScoped, Names: names,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
					"spec": {Type: "object", Properties: fields}}}}}}},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{AcceptedNames: names},
	}
}

func install(tb testing.TB, service *openapi.Service, many int) *Manager {
	m := &Manager{o: Options{OpenAPI: service}, installed: map[string]*installed{}}
	var all []*installed
	for i := range many {
		d := manyFields(i)
		raw, err := json.Marshal(d)
		if err != nil {
			tb.Fatal(err)
		}
		d = withoutSchemas(d)
		decode := func(o *watchcache.Object) (scheme.Object, error) {
			out := &Definition{}
			return out, scheme.DecodeStored(o.Raw, out)
		}
		r, k := m.resource(d, newSource(decode, &watchcache.Object{Raw: raw}))
		all = append(all, newInstalled(d, r, k))
	}
	m.publishAll(all)
	return m
}

func BenchmarkDocuments(b *testing.B) {
	service, err := openapi.New()
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/openapi/v2", "/openapi/v3/apis/group0.example/v1"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				install(b, service, 100)
				r, err := service.Handle(b.Context(), &request.Request{Method: "GET", Path: path, Header: gzip{}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(r.Body)), "bytes")
			}
		})
	}
}

// gzip are the headers of a client that takes compressed answers.
type gzip struct{}

func (gzip) Get(name string) string {
	if name == "Accept-Encoding" {
		return "gzip"
	}
	return ""
}
func (gzip) Values(string) []string        { return nil }
func (gzip) Each(func(name, value string)) {}
