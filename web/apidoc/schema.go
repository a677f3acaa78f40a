package apidoc

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Schema describes a value.
type Schema struct {
	// Name is the schema's name in its document, empty for one without.
	Name string `json:"-"`

	Ref         string             `json:"$ref"`
	AllOf       []*Schema          `json:"allOf"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Items       *Schema            `json:"items"`
	Map         additional         `json:"additionalProperties"`
	Properties  map[string]*Schema `json:"properties"`
	Required    []string           `json:"required"`
	Enum        []jsontext.Value   `json:"enum"`
	Default     jsontext.Value     `json:"default"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	Pattern     string             `json:"pattern"`
	IntOrString bool               `json:"x-kubernetes-int-or-string"`
	Preserve    bool               `json:"x-kubernetes-preserve-unknown-fields"`
	ListType    string             `json:"x-kubernetes-list-type"`
	ListKeys    []string           `json:"x-kubernetes-list-map-keys"`
	MergeKey    string             `json:"x-kubernetes-patch-merge-key"`
	Union       jsontext.Value     `json:"x-kubernetes-unions"`

	GVK []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
}

// additional is additionalProperties: a schema, or only true or false.
type additional struct{ *Schema }

// UnmarshalJSONFrom reads either.
func (a *additional) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k == 't' || k == 'f' {
		_, err := d.ReadToken()
		return err
	}
	a.Schema = &Schema{}
	return unmarshalSchema(d, a.Schema)
}

const refPrefix = "#/components/schemas/"

// Resolve follows references to the schema that says what a value is. The
// description of where the reference stands wins.
func (d *Document) Resolve(s *Schema) *Schema {
	description, fallback := "", jsontext.Value(nil)
	for range 10 { // references do not go in a ring, but the document may be anyone's
		if s == nil {
			return &Schema{}
		}
		if description == "" {
			description = s.Description
		}
		if fallback == nil {
			fallback = s.Default
		}
		switch {
		case s.Ref != "":
			s = d.Schemas[strings.TrimPrefix(s.Ref, refPrefix)]
		case len(s.AllOf) == 1 && s.Type == "" && len(s.Properties) == 0:
			s = s.AllOf[0]
		default:
			out := *s
			if description != "" {
				out.Description = description
			}
			if fallback != nil {
				out.Default = fallback
			}
			return &out
		}
	}
	return &Schema{}
}

// Inner is the schema of the objects inside of a value: of its items, or of the
// values of its map; the schema itself when it is an object.
func (d *Document) Inner(s *Schema) *Schema {
	s = d.Resolve(s)
	for range 10 {
		switch {
		case s.Items != nil:
			s = d.Resolve(s.Items)
		case s.Map.Schema != nil && len(s.Properties) == 0:
			s = d.Resolve(s.Map.Schema)
		default:
			return s
		}
	}
	return s
}

// Field gives the schema of a field of the objects inside of s; nil when there
// is none.
func (d *Document) Field(s *Schema, name string) *Schema {
	inner := d.Inner(s)
	return inner.Properties[name]
}

// At follows a path of field names. It gives the schemas on the way, the last
// one being the field's; nil when there is no such field.
func (d *Document) At(s *Schema, path []string) *Schema {
	for _, name := range path {
		resolved := d.Resolve(s)
		if resolved.Map.Schema != nil && len(resolved.Properties) == 0 {
			s = resolved.Map.Schema // any key
			continue
		}
		if s = d.Field(s, name); s == nil {
			return nil
		}
	}
	return s
}

// TypeOf is how a value's type is written: "string", "[]Container",
// "map[string]string".
func (d *Document) TypeOf(s *Schema) string {
	name := refName(s)
	r := d.Resolve(s)
	switch {
	case r.IntOrString || r.Format == "int-or-string":
		return "int or string"
	case r.Items != nil:
		return "[]" + d.TypeOf(r.Items)
	case r.Map.Schema != nil && len(r.Properties) == 0:
		return "map[string]" + d.TypeOf(r.Map.Schema)
	case len(r.Properties) > 0 && name != "":
		return short(name)
	case r.Type == "string" && r.Format != "":
		return "string (" + r.Format + ")"
	case r.Type == "":
		if name != "" {
			return short(name)
		}
		return "any"
	}
	return r.Type
}

func refName(s *Schema) string {
	for s != nil {
		switch {
		case s.Ref != "":
			return strings.TrimPrefix(s.Ref, refPrefix)
		case len(s.AllOf) == 1:
			s = s.AllOf[0]
		default:
			return s.Name
		}
	}
	return ""
}

// short is the last part of a schema's name: Deployment of
// io.k8s.api.apps.v1.Deployment.
func short(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// HasFields tells a value that has objects inside.
func (d *Document) HasFields(s *Schema) bool { return len(d.Inner(s).Properties) > 0 }

// Names are the fields of an object in the order in which people read them.
func (s *Schema) Names() []string {
	list := slices.Sorted(maps.Keys(s.Properties))
	first := []string{"apiVersion", "kind", "metadata", "spec", "status"}
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	sort.SliceStable(list, func(i, j int) bool { return rank(list[i]) < rank(list[j]) })
	return list
}
