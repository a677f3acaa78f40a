package apiextensions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// The rules of definitions are those of apiextensions-apiserver's validation
// package: structural schemas, defaults, CEL rules and their cost. It looks at
// metadata too, which the Store has done by then; of that only the rule about the
// name is kept, which is plural.group.

func validateNew(ctx context.Context, d *definition) field.ErrorList {
	return internally(d, func(d *apiextensions.CustomResourceDefinition) field.ErrorList {
		return slices.DeleteFunc(validation.ValidateCustomResourceDefinition(ctx, d), func(e *field.Error) bool {
			return aboutMetadata(e) && (d.Name == "" || e.Field != "metadata.name")
		})
	})
}

func validateUpdate(ctx context.Context, d, old *definition) field.ErrorList {
	return internally(d, func(d *apiextensions.CustomResourceDefinition) field.ErrorList {
		return internally(old, func(old *apiextensions.CustomResourceDefinition) field.ErrorList {
			return slices.DeleteFunc(validation.ValidateCustomResourceDefinitionUpdate(ctx, d, old), aboutMetadata)
		})
	})
}

func validateStatus(d, old *definition) field.ErrorList {
	return internally(d, func(d *apiextensions.CustomResourceDefinition) field.ErrorList {
		return internally(old, func(old *apiextensions.CustomResourceDefinition) field.ErrorList {
			return slices.DeleteFunc(validation.ValidateUpdateCustomResourceDefinitionStatus(d, old), aboutMetadata)
		})
	})
}

// aboutMetadata tells faults of metadata in general. The annotation that groups
// of Kubernetes' own need is a matter of the definition.
func aboutMetadata(e *field.Error) bool {
	return strings.HasPrefix(e.Field, "metadata") && !strings.HasPrefix(e.Field, "metadata.annotations[")
}

// formatWarnings name the formats that schemas have and old ones had not, and
// that validation knows nothing of.
func formatWarnings(d, old *definition) []string {
	known := map[string]bool{}
	if old != nil {
		for _, f := range unknownFormats(old) {
			known[f] = true
		}
	}
	var out []string
	for _, f := range unknownFormats(d) {
		if !known[f] {
			known[f] = true
			out = append(out, fmt.Sprintf("unrecognized format %q", f))
		}
	}
	return out
}

func unknownFormats(d *definition) []string {
	var out []string
	for i := range d.Spec.Versions {
		s := d.Spec.Versions[i].Schema
		if s == nil || s.OpenAPIV3Schema == nil {
			continue
		}
		internal, model := &apiextensions.JSONSchemaProps{}, &spec.Schema{}
		if apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(s.OpenAPIV3Schema, internal, nil) != nil {
			continue
		}
		err := schemavalidation.ConvertJSONSchemaPropsWithPostProcess(internal, model, func(s *spec.Schema) error {
			out = append(out, schemavalidation.GetUnrecognizedFormats(s, environment.DefaultCompatibilityVersion())...)
			return nil
		})
		if err != nil {
			continue
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
