package openapi

import (
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// WithoutItemDefaults takes the defaults of list items and map values out of
// definitions: the generator writes a zero value there for every type that
// cannot be null, and kube-apiserver 1.36 serves documents without them.
func WithoutItemDefaults(get common.GetOpenAPIDefinitions) common.GetOpenAPIDefinitions {
	return func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
		defs := get(ref)
		for name, def := range defs {
			dropItemDefaults(&def.Schema)
			if v2, ok := def.Schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
				dropItemDefaults(&v2)
				def.Schema.Extensions[common.ExtensionV2Schema] = v2
			}
			defs[name] = def
		}
		return defs
	}
}

func dropItemDefaults(s *spec.Schema) {
	if s.Items != nil && s.Items.Schema != nil {
		s.Items.Schema.Default = nil
		dropItemDefaults(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		s.AdditionalProperties.Schema.Default = nil
		dropItemDefaults(s.AdditionalProperties.Schema)
	}
	for name, p := range s.Properties {
		dropItemDefaults(&p)
		s.Properties[name] = p
	}
}
