package storage

import (
	"context"
	"maps"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// volumeAttributesClasses name attributes of volumes that a driver can change.
// Driver and parameters are fixed once created.
func volumeAttributesClasses() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "volumeattributesclasses",
		Singular:   "volumeattributesclass",
		Kind:       "VolumeAttributesClass",
		ShortNames: []string{"vac"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.VolumeAttributesClass{} },
		}},
		Strategy: registry.For[*storagev1.VolumeAttributesClass]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			Validate: func(_ context.Context, c *storagev1.VolumeAttributesClass) field.ErrorList {
				return validateAttributesClass(c)
			},
			ValidateUpdate: func(_ context.Context, c, old *storagev1.VolumeAttributesClass) field.ErrorList {
				return validateAttributesClassUpdate(c, old)
			},
			ValidatesMetaOnUpdate: 1,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("DriverName", storagev1.VolumeAttributesClass{}.SwaggerDoc()["driverName"]),
			printers.Age,
		},
		Cells: registry.Row(func(c *storagev1.VolumeAttributesClass, now registry.Clock) []any {
			name := c.Name
			if c.Annotations["volumeattributesclass.alpha.kubernetes.io/is-default-class"] == "true" {
				name += " (default)"
			}
			return []any{name, c.DriverName, printers.Since(c.CreationTimestamp, now)}
		}),
	}
}

func validateAttributesClass(c *storagev1.VolumeAttributesClass) field.ErrorList {
	errs := validateProvisioner(c.DriverName, field.NewPath("driverName"))
	return append(errs, validateParameters(c.Parameters, false, field.NewPath("parameters"))...)
}

func validateAttributesClassUpdate(c, old *storagev1.VolumeAttributesClass) field.ErrorList {
	var errs field.ErrorList
	if c.DriverName != old.DriverName {
		errs = append(errs, field.Forbidden(field.NewPath("driverName"), "updates to driverName are forbidden."))
	}
	if !maps.Equal(c.Parameters, old.Parameters) {
		errs = append(errs, field.Forbidden(field.NewPath("parameters"), "updates to parameters are forbidden."))
	}
	return append(errs, validateAttributesClass(c)...)
}
