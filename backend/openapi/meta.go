package openapi

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// shared tells the models that every group needs: those of metadata, options and
// watches, and the Scale.
func shared(name string) bool {
	return strings.HasPrefix(name, "io.k8s.apimachinery.") || strings.HasPrefix(name, "io.k8s.api.autoscaling.v1.Scale")
}

// sharedFrom is the embedded document that has all of the shared models.
const sharedFrom = "apis/apps/v1"

// SharedModels gives the models that custom resources refer to, as they stand in
// a v3 document (references begin with #/components/schemas/) or in the v2 one
// (#/definitions/).
func (s *Service) SharedModels(v2 bool) (map[string]common.OpenAPIDefinition, error) {
	var doc struct {
		Definitions map[string]json.RawMessage `json:"definitions"`
		Components  struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	source, _ := s.v3Document(sharedFrom)
	if v2 {
		source = s.builtIn
	}
	plain, err := source.plain()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(plain, &doc); err != nil {
		return nil, fmt.Errorf("parse embedded document: %w", err)
	}
	schemas := doc.Components.Schemas
	if v2 {
		schemas = doc.Definitions
	}
	out := map[string]common.OpenAPIDefinition{}
	for name, raw := range schemas {
		if !shared(name) {
			continue
		}
		d := common.OpenAPIDefinition{}
		if err := json.Unmarshal(raw, &d.Schema); err != nil {
			return nil, fmt.Errorf("parse model %s: %w", name, err)
		}
		// The kinds of other groups are no business of a custom group's.
		delete(d.Schema.Extensions, "x-kubernetes-group-version-kind")
		d.Dependencies = References(&d.Schema)
		out[name] = d
	}
	return out, nil
}

// References gives the names of the models that a schema refers to.
func References(s *spec.Schema) []string {
	seen := map[string]bool{}
	var out []string
	var walk func(*spec.Schema)
	walk = func(s *spec.Schema) {
		if s == nil {
			return
		}
		if ref := s.Ref.String(); ref != "" {
			name := ref[strings.LastIndexByte(ref, '/')+1:]
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
		for _, p := range s.Properties {
			walk(&p)
		}
		for _, list := range [][]spec.Schema{s.AllOf, s.AnyOf, s.OneOf} {
			for i := range list {
				walk(&list[i])
			}
		}
		walk(s.Not)
		if s.Items != nil {
			walk(s.Items.Schema)
		}
		if s.AdditionalProperties != nil {
			walk(s.AdditionalProperties.Schema)
		}
	}
	walk(s)
	return out
}
