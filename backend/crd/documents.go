package crd

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	builtin "pilothouse/backend/fieldmanager/schema"
	"pilothouse/backend/openapi"

	structuralv2 "k8s.io/apiextensions-apiserver/pkg/controller/openapi/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const (
	v3Prefix = "#/components/schemas/"
	v2Prefix = "#/definitions/"
	listMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
)

// modelName is the name of a kind's OpenAPI model: the group backwards, the
// version, the kind.
func (k *kind) modelName(version string) string {
	parts := strings.Split(k.definition.Spec.Group, ".")
	slices.Reverse(parts)
	return fmt.Sprintf("%s.%s.%s", strings.Join(parts, "."), version, k.definition.Status.AcceptedNames.Kind)
}

// publish brings the OpenAPI documents of a group up to date after a definition
// was installed, replaced or removed. mu is held.
func (m *Manager) publish(group string, before, now *installed) {
	if m.o.OpenAPI == nil {
		return
	}
	touched := map[string]bool{}
	for _, i := range []*installed{before, now} {
		if i != nil {
			for _, v := range i.versions {
				touched[v] = true
			}
		}
	}
	for version := range touched {
		gv := schema.GroupVersion{Group: group, Version: version}
		m.put(gv, m.kindsOf(gv))
	}
}

// publishAll makes the OpenAPI documents of definitions that are all there are.
// mu is held.
func (m *Manager) publishAll(all []*installed) {
	if m.o.OpenAPI == nil {
		return
	}
	kinds := map[schema.GroupVersion][]*installed{}
	for _, i := range all { // sorted by name, as their store is
		for _, v := range i.versions {
			gv := schema.GroupVersion{Group: i.definition.Spec.Group, Version: v}
			kinds[gv] = append(kinds[gv], i)
		}
	}
	for gv, of := range kinds {
		m.put(gv, of)
	}
}

func (m *Manager) put(gv schema.GroupVersion, kinds []*installed) {
	if len(kinds) == 0 {
		m.o.OpenAPI.Remove(openapi.PathOf(gv))
		return
	}
	d := &documents{service: m.o.OpenAPI, gv: gv, kinds: kinds}
	m.o.OpenAPI.Put(openapi.PathOf(gv), openapi.Source{Seed: d.seed(), V3: d.v3, V2: d.v2})
}

// kindsOf gives the definitions that are served in a group version.
func (m *Manager) kindsOf(gv schema.GroupVersion) []*installed {
	var out []*installed
	for _, i := range m.installed {
		if i.definition.Spec.Group == gv.Group && slices.Contains(i.versions, gv.Version) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b *installed) int { return strings.Compare(a.definition.Name, b.definition.Name) })
	return out
}

// documents makes the OpenAPI documents of one group version.
type documents struct {
	service *openapi.Service
	gv      schema.GroupVersion
	kinds   []*installed
}

func (d *documents) seed() string {
	var b strings.Builder
	for _, i := range d.kinds {
		fmt.Fprintf(&b, "%s %s %d %v\n", i.definition.Name, i.definition.UID, i.definition.Generation, i.definition.Status.AcceptedNames)
	}
	return b.String()
}

func (d *documents) routes() []common.Route {
	routes := []common.Route{openapi.GroupVersionRoute(d.gv)}
	for _, i := range d.kinds {
		name := i.kind.modelName(d.gv.Version)
		list := strings.TrimSuffix(name, i.kind.definition.Status.AcceptedNames.Kind) + i.kind.definition.Status.AcceptedNames.ListKind
		routes = append(routes, openapi.Routes(i.resource, d.gv.Version, openapi.Models{Object: name, List: list, Of: func(obj runtime.Object) string {
			if named, ok := any(obj).(interface{ OpenAPIModelName() string }); ok {
				return named.OpenAPIModelName()
			}
			return name
		}})...)
	}
	return routes
}

// definitions gives the shared models and those of the kinds.
func (d *documents) definitions(v2 bool) (common.GetOpenAPIDefinitions, error) {
	all, err := sharedModels(d.service, v2)
	if err != nil {
		return nil, err
	}
	prefix := v3Prefix
	if v2 {
		prefix = v2Prefix
	}
	defs := make(map[string]common.OpenAPIDefinition, len(all)+2*len(d.kinds))
	for name, def := range all {
		defs[name] = def
	}
	for _, i := range d.kinds {
		k := i.kind
		name := k.modelName(d.gv.Version)
		names := &k.definition.Status.AcceptedNames
		v := k.versions[d.gv.Version]
		object := v.document(v2, prefix)
		object.AddExtension("x-kubernetes-group-version-kind", kindExtension(d.gv, names.Kind))
		if fields := v.selectable(); fields != nil {
			object.AddExtension("x-kubernetes-selectable-fields", fields)
		}
		list := listSchema(names.Plural, names.Kind, names.ListKind, prefix+name, prefix+listMeta)
		list.AddExtension("x-kubernetes-group-version-kind", kindExtension(d.gv, names.ListKind))
		if fields := v.selectable(); fields != nil {
			list.AddExtension("x-kubernetes-selectable-fields", fields)
		}
		listName := strings.TrimSuffix(name, names.Kind) + names.ListKind
		defs[name] = common.OpenAPIDefinition{Schema: *object, Dependencies: openapi.References(object)}
		defs[listName] = common.OpenAPIDefinition{Schema: *list, Dependencies: openapi.References(list)}
	}
	return func(common.ReferenceCallback) map[string]common.OpenAPIDefinition { return defs }, nil
}

// shared keeps the parsed shared models: the same for every group.
var shared struct {
	sync.Mutex
	models map[bool]map[string]common.OpenAPIDefinition
}

func sharedModels(s *openapi.Service, v2 bool) (map[string]common.OpenAPIDefinition, error) {
	shared.Lock()
	defer shared.Unlock()
	if m := shared.models[v2]; m != nil {
		return m, nil
	}
	m, err := s.SharedModels(v2)
	if err != nil {
		return nil, err
	}
	if shared.models == nil {
		shared.models = map[bool]map[string]common.OpenAPIDefinition{}
	}
	shared.models[v2] = m
	return m, nil
}

func (d *documents) v3() (*spec3.OpenAPI, error) {
	defs, err := d.definitions(false)
	if err != nil {
		return nil, err
	}
	b := &openapi.Builder{Definitions: defs}
	return b.V3("/", nil, d.routes())
}

func (d *documents) v2() (*spec.Swagger, error) {
	defs, err := d.definitions(true)
	if err != nil {
		return nil, err
	}
	b := &openapi.Builder{Definitions: defs}
	return b.V2(d.routes())
}

// document is a version's model. In v2 a schema that keeps unknown fields says
// nothing: clients would take what it says for all there is. What it is made of
// is not kept: documents are of many definitions, objects of few.
func (v *version) document(v2 bool, prefix string) *spec.Schema {
	s := makeStructural(v.internal())
	if v2 && s != nil && (s.XPreserveUnknownFields || v.preserve) {
		s = nil
	}
	if s != nil {
		s = s.Unfold()
	}
	if v2 && s != nil {
		s = structuralv2.ToStructuralOpenAPIV2(s)
	}
	return kubeSchema(s, builtin.ObjectMeta, prefix)
}

func (v *version) selectable() []any {
	var out []any
	for _, f := range v.spec.SelectableFields {
		out = append(out, map[string]any{"fieldPath": strings.TrimPrefix(f.JSONPath, ".")})
	}
	return out
}

func kindExtension(gv schema.GroupVersion, kind string) []any {
	return []any{map[string]any{"group": gv.Group, "version": gv.Version, "kind": kind}}
}

func listSchema(plural, kind, listKind, item, meta string) *spec.Schema {
	words := fmt.Sprintf("List of %s. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md", plural)
	s := new(spec.Schema).Typed("object", "").WithDescription(fmt.Sprintf("%s is a list of %s", listKind, kind)).WithRequired("items").
		SetProperty("items", *spec.ArrayProperty(spec.RefSchema(item)).WithDescription(words)).
		SetProperty("metadata", *spec.RefSchema(meta).WithDescription("Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"))
	addTypeMeta(s)
	return s
}
