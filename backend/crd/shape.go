package crd

import structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"

// shape is what pruning and defaulting go by, in a form that can be walked
// without copying schemas. It tells of an object that neither would change that
// it is so, which most objects are; the rest is left to upstream's algorithms.
type shape struct {
	properties map[string]*shape
	rest       *shape // of fields that are no properties
	items      *shape
	defaulted  []string // properties with a default
	preserve   bool
	embedded   bool
}

// newShape gives the shape of a schema, and tells whether there are embedded
// resources in it.
func newShape(s *structuralschema.Structural) (made *shape, embeds bool) {
	if s == nil {
		return nil, false
	}
	made = &shape{preserve: s.XPreserveUnknownFields, embedded: s.XEmbeddedResource}
	embeds = s.XEmbeddedResource
	sub := func(s *structuralschema.Structural) *shape {
		of, more := newShape(s)
		embeds = embeds || more
		return of
	}
	if len(s.Properties) > 0 {
		made.properties = make(map[string]*shape, len(s.Properties))
	}
	for name, p := range s.Properties {
		made.properties[name] = sub(&p)
		if p.Default.Object != nil {
			made.defaulted = append(made.defaulted, name)
		}
	}
	if s.AdditionalProperties != nil {
		made.rest = sub(s.AdditionalProperties.Structural)
	}
	made.items = sub(s.Items)
	return made, embeds
}

// fits tells that an object has no fields that its schema does not know, no
// nulls, and a value for every default.
func (s *shape) fits(object map[string]any) bool {
	if s == nil || !s.complete(object) {
		return false
	}
	for name, value := range object {
		switch name {
		case "apiVersion", "kind", "metadata":
		default:
			if !s.fitsField(name, value) {
				return false
			}
		}
	}
	return true
}

func (s *shape) complete(m map[string]any) bool {
	for _, name := range s.defaulted {
		if _, ok := m[name]; !ok {
			return false
		}
	}
	return true
}

func (s *shape) fitsField(name string, value any) bool {
	of := s.properties[name]
	if of == nil {
		of = s.rest
	}
	return of == nil && s.preserve || of != nil && of.fitsValue(value)
}

func (s *shape) fitsValue(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case map[string]any:
		if s == nil || s.embedded || !s.complete(v) {
			return false
		}
		for name, value := range v {
			if !s.fitsField(name, value) {
				return false
			}
		}
	case []any:
		var items *shape
		if s != nil {
			items = s.items
		}
		for _, item := range v {
			if !items.fitsValue(item) {
				return false
			}
		}
	}
	return true
}
