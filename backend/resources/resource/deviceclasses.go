package resource

import (
	"context"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// deviceClasses name devices that claims can ask for.
func deviceClasses() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "deviceclasses",
		Singular: "deviceclass",
		Kind:     "DeviceClass",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.DeviceClass{} },
		}},
		Strategy: registry.For[*resourcev1.DeviceClass]{
			ValidateName:     validate.WholeNameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, c *resourcev1.DeviceClass) { c.Generation = 1 },
			Validate: func(_ context.Context, c *resourcev1.DeviceClass) field.ErrorList {
				return validateClassSpec(&c.Spec, field.NewPath("spec"))
			},
			PrepareForUpdate: func(_ context.Context, c, old *resourcev1.DeviceClass) {
				if !equality.Semantic.DeepEqual(c.Spec, old.Spec) {
					c.Generation = old.Generation + 1
				}
			},
			ValidateUpdate: func(_ context.Context, c, _ *resourcev1.DeviceClass) field.ErrorList {
				return validateClassSpec(&c.Spec, field.NewPath("spec"))
			},
			ValidatesMetaOnUpdate: 1,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{printers.Name, printers.Age},
		Cells: registry.Row(func(c *resourcev1.DeviceClass, now registry.Clock) []any {
			return []any{c.Name, printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

func validateClassSpec(s *resourcev1.DeviceClassSpec, at *field.Path) field.ErrorList {
	errs := validateSelectors(s.Selectors, at.Child("selectors"))
	errs = append(errs, slice(s.Config, resourcev1.DeviceConfigMaxSize, at.Child("config"),
		func(c resourcev1.DeviceClassConfiguration, at *field.Path) field.ErrorList {
			return validateConfiguration(&c.DeviceConfiguration, at)
		})...)
	if name := s.ExtendedResourceName; name != nil && !isExtendedResource(*name) {
		errs = append(errs, field.Invalid(at.Child("extendedResourceName"), *name, "must be a valid extended resource name"))
	}
	return errs
}

func isExtendedResource(name string) bool {
	return strings.Contains(name, "/") && validate.IsExtendedResource(corev1.ResourceName(name))
}
