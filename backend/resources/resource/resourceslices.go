package resource

import (
	"context"
	"fmt"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// resourceSlices tell the devices that a driver has on a node or in a pool.
func resourceSlices(clock registry.Clock) registry.Resource {
	doc := resourcev1.ResourceSliceSpec{}.SwaggerDoc()
	return registry.Resource{
		Group:    group,
		Name:     "resourceslices",
		Singular: "resourceslice",
		Kind:     "ResourceSlice",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceSlice{} },
		}},
		Strategy: registry.For[*resourcev1.ResourceSlice]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, s *resourcev1.ResourceSlice) {
				s.Generation = 1
				dropGated(s, nil)
				stampTaints(s, clock)
			},
			Validate: func(_ context.Context, s *resourcev1.ResourceSlice) field.ErrorList {
				return validateSliceSpec(&s.Spec, nil, field.NewPath("spec"))
			},
			PrepareForUpdate: func(_ context.Context, s, old *resourcev1.ResourceSlice) {
				dropGated(s, old)
				stampTaints(s, clock)
				if !equality.Semantic.DeepEqual(s.Spec, old.Spec) {
					s.Generation = old.Generation + 1
				}
			},
			ValidateUpdate: func(_ context.Context, s, old *resourcev1.ResourceSlice) field.ErrorList {
				return validateSliceSpec(&s.Spec, &old.Spec, field.NewPath("spec"))
			},
			DeleteReturnsObject: true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Node", doc["nodeName"]),
			printers.Column("Driver", doc["driver"]),
			printers.Column("Pool", resourcev1.ResourcePool{}.SwaggerDoc()["name"]),
			printers.Age,
		},
		Cells: registry.Row(func(s *resourcev1.ResourceSlice, now registry.Clock) []any {
			node := ""
			if s.Spec.NodeName != nil {
				node = *s.Spec.NodeName
			}
			return []any{s.Name, node, s.Spec.Driver, s.Spec.Pool.Name, printers.Since(s.CreationTimestamp, now)}
		}),
		UnknownField: func(name string) string {
			return fmt.Sprintf("field label not supported for %s: %s", resourcev1.SchemeGroupVersion.WithKind("ResourceSlice"), name)
		},
		Fields: []registry.Field{
			registry.FieldOf(resourcev1.ResourceSliceSelectorNodeName, func(s *resourcev1.ResourceSlice) string {
				if s.Spec.NodeName == nil {
					return ""
				}
				return *s.Spec.NodeName
			}),
			registry.FieldOf(resourcev1.ResourceSliceSelectorDriver, func(s *resourcev1.ResourceSlice) string { return s.Spec.Driver }),
		},
	}
}

// stampTaints notes when taints came, to the second, where the driver did not.
func stampTaints(s *resourcev1.ResourceSlice, clock registry.Clock) {
	for i := range s.Spec.Devices {
		for j := range s.Spec.Devices[i].Taints {
			if t := &s.Spec.Devices[i].Taints[j]; t.TimeAdded == nil {
				t.TimeAdded = new(metav1.NewTime(clock().Truncate(time.Second)))
			}
		}
	}
}

// dropGated drops what upstream has behind gates that are off, unless the slice
// has it already: lists as attributes and mappings to what nodes allocate.
func dropGated(s, old *resourcev1.ResourceSlice) {
	lists, mappings := false, false
	if old != nil {
		for _, d := range old.Spec.Devices {
			mappings = mappings || len(d.NodeAllocatableResourceMappings) > 0
			lists = lists || hasListAttribute(&d)
		}
	}
	for i := range s.Spec.Devices {
		d := &s.Spec.Devices[i]
		if !mappings {
			d.NodeAllocatableResourceMappings = nil
		}
		if lists || !hasListAttribute(d) {
			continue
		}
		for name, a := range d.Attributes {
			a.IntValues, a.BoolValues, a.StringValues, a.VersionValues = nil, nil, nil, nil
			d.Attributes[name] = a
		}
	}
}

func hasListAttribute(d *resourcev1.Device) bool {
	for _, a := range d.Attributes {
		if a.IntValues != nil || a.BoolValues != nil || a.StringValues != nil || a.VersionValues != nil {
			return true
		}
	}
	return false
}
