package openapi

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/builder"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Builder makes documents from routes and models.
type Builder struct {
	// Definitions are the models; GVKs the kinds that a model stands for.
	Definitions common.GetOpenAPIDefinitions
	GVKs        map[string][]schema.GroupVersionKind
}

var info = &spec.Info{InfoProps: spec.InfoProps{Title: "Kubernetes", Version: "1.36"}}

const bearerToken = "BearerToken"

// KindsOf lists, by model name, the kinds that a scheme knows for it.
func KindsOf(s *runtime.Scheme) map[string][]schema.GroupVersionKind {
	out := map[string][]schema.GroupVersionKind{}
	for gvk := range s.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal {
			continue
		}
		obj, err := s.New(gvk)
		if err != nil {
			continue
		}
		if named, ok := any(obj).(interface{ OpenAPIModelName() string }); ok {
			out[named.OpenAPIModelName()] = append(out[named.OpenAPIModelName()], gvk)
		}
	}
	for _, l := range out {
		sort.Slice(l, func(i, j int) bool {
			a, b := l[i], l[j]
			if a.Group != b.Group {
				return a.Group < b.Group
			}
			if a.Version != b.Version {
				return a.Version < b.Version
			}
			return a.Kind < b.Kind
		})
	}
	return out
}

// namer names definitions as they are and adds their kinds, those that it is
// asked to leave out excepted.
func (b *Builder) namer(leaveOut func(schema.GroupVersionKind) bool) func(string) (string, spec.Extensions) {
	return func(name string) (string, spec.Extensions) {
		var kinds []any
		for _, gvk := range b.GVKs[name] {
			if leaveOut(gvk) {
				continue
			}
			kinds = append(kinds, map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind})
		}
		if len(kinds) == 0 {
			return name, nil
		}
		return name, spec.Extensions{"x-kubernetes-group-version-kind": kinds}
	}
}

// notIn leaves out kinds that are neither of a group version, of the core, nor
// what one of the routes takes or gives. Nil leaves out none.
func notIn(gv *schema.GroupVersion, routes []common.Route) func(schema.GroupVersionKind) bool {
	own := map[schema.GroupVersionKind]bool{}
	for _, r := range routes {
		if ours, ok := r.(*route); ok && ours.gvk != nil {
			own[*ours.gvk] = true
		}
	}
	return func(gvk schema.GroupVersionKind) bool {
		return gv != nil && gvk.GroupVersion() != *gv && gvk.GroupVersion() != corev1.SchemeGroupVersion && !own[gvk]
	}
}

func idAndTags(r common.Route) (string, []string, error) {
	ours, ok := r.(*route)
	if !ok {
		return "", nil, fmt.Errorf("unexpected route %T", r)
	}
	return ours.id, []string{ours.tag}, nil
}

// V3 builds an OpenAPI 3.0 document of some routes; gv says whose kinds the
// models name, nil for those of the core.
func (b *Builder) V3(root string, gv *schema.GroupVersion, routes []common.Route) (*spec3.OpenAPI, error) {
	config := &common.OpenAPIV3Config{
		Info:                           info,
		CommonResponses:                map[int]*spec3.Response{401: {ResponseProps: spec3.ResponseProps{Description: "Unauthorized"}}},
		GetDefinitions:                 b.Definitions,
		GetOperationIDAndTagsFromRoute: idAndTags,
		GetDefinitionName:              b.namer(notIn(gv, routes)),
		SecuritySchemes: spec3.SecuritySchemes{bearerToken: {SecuritySchemeProps: spec3.SecuritySchemeProps{
			Type: "apiKey", Name: "authorization", In: "header", Description: "Bearer Token authentication"}}},
		DefaultSecurity: []map[string][]string{{bearerToken: {}}},
	}
	return builder3.BuildOpenAPISpecFromRoutes([]common.RouteContainer{&container{root, routes}}, config)
}

// V2 builds the OpenAPI 2.0 document of all containers' routes.
func (b *Builder) V2(routes []common.Route) (*spec.Swagger, error) {
	config := &common.Config{
		ProtocolList:                   []string{"https"},
		Info:                           info,
		CommonResponses:                map[int]spec.Response{401: {ResponseProps: spec.ResponseProps{Description: "Unauthorized"}}},
		GetDefinitions:                 b.Definitions,
		GetOperationIDAndTagsFromRoute: idAndTags,
		GetDefinitionName:              b.namer(notIn(nil, nil)),
		SecurityDefinitions: &spec.SecurityDefinitions{bearerToken: {SecuritySchemeProps: spec.SecuritySchemeProps{
			Type: "apiKey", Name: "authorization", In: "header", Description: "Bearer Token authentication"}}},
		DefaultSecurity: []map[string][]string{{bearerToken: {}}},
	}
	doc, err := builder.BuildOpenAPISpecFromRoutes([]common.RouteContainer{&container{"/", routes}}, config)
	if err != nil {
		return nil, err
	}
	// Clients of OpenAPI 2.0 took defaults for values that a server sets.
	doc.Definitions = handler.PruneDefaults(doc.Definitions)
	return doc, nil
}

// PathOf is the name of a group version's document below /openapi/v3.
func PathOf(gv schema.GroupVersion) string { return strings.TrimPrefix(rootOf(gv), "/") }
