package node

import (
	"context"
	"maps"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	nodev1 "k8s.io/api/node/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// runtimeClasses name how containers are run. The handler is fixed once
// created.
func runtimeClasses() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "runtimeclasses",
		Singular: "runtimeclass",
		Kind:     "RuntimeClass",
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &nodev1.RuntimeClass{} },
			Default: registry.Typed(defaultRuntimeClass),
		}},
		Strategy: registry.For[*nodev1.RuntimeClass]{
			ValidateName:     apivalidation.NameIsDNSSubdomain,
			Validate:         func(_ context.Context, c *nodev1.RuntimeClass) field.ErrorList { return validateRuntimeClass(c) },
			WarningsOnCreate: func(_ context.Context, c *nodev1.RuntimeClass) []string { return warnings(c) },
			ValidateUpdate: func(_ context.Context, c, old *nodev1.RuntimeClass) field.ErrorList {
				return append(validateRuntimeClass(c), apivalidation.ValidateImmutableField(c.Handler, old.Handler, field.NewPath("handler"))...)
			},
			WarningsOnUpdate:       func(_ context.Context, c, _ *nodev1.RuntimeClass) []string { return warnings(c) },
			ValidatesMetaOnUpdate:  1,
			AllowCreateOnUpdate:    true,
			RequireResourceVersion: true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Handler", ""),
			printers.Age,
		},
		Cells: registry.Row(func(c *nodev1.RuntimeClass, now registry.Clock) []any {
			return []any{c.Name, c.Handler, printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

// warnings tells of node labels that have been replaced, in the order of the
// labels.
func warnings(c *nodev1.RuntimeClass) []string {
	if c.Scheduling == nil {
		return nil
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(c.Scheduling.NodeSelector)) {
		if message, deprecated := validate.DeprecatedNodeLabel(key); deprecated {
			out = append(out, field.NewPath("scheduling", "nodeSelector").String()+": "+message)
		}
	}
	return out
}
