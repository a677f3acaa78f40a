package storage

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// storageClasses say how claims get volumes. Only expansion, mount options and
// topologies may change.
func storageClasses() registry.Resource {
	doc := storagev1.StorageClass{}.SwaggerDoc()
	return registry.Resource{
		Group:      group,
		Name:       "storageclasses",
		Singular:   "storageclass",
		Kind:       "StorageClass",
		ShortNames: []string{"sc"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.StorageClass{} },
			Default: registry.Typed(func(c *storagev1.StorageClass) {
				if c.ReclaimPolicy == nil {
					c.ReclaimPolicy = new(corev1.PersistentVolumeReclaimDelete)
				}
				if c.VolumeBindingMode == nil {
					c.VolumeBindingMode = new(storagev1.VolumeBindingImmediate)
				}
			}),
		}},
		Strategy: registry.For[*storagev1.StorageClass]{
			ValidateName:     apivalidation.NameIsDNSSubdomain,
			Validate:         func(_ context.Context, c *storagev1.StorageClass) field.ErrorList { return validateStorageClass(c) },
			WarningsOnCreate: func(_ context.Context, c *storagev1.StorageClass) []string { return storageClassWarnings(c) },
			ValidateUpdate: func(_ context.Context, c, old *storagev1.StorageClass) field.ErrorList {
				return validateStorageClassUpdate(c, old)
			},
			WarningsOnUpdate:      func(_ context.Context, c, _ *storagev1.StorageClass) []string { return storageClassWarnings(c) },
			ValidatesMetaOnUpdate: 1,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Provisioner", doc["provisioner"]),
			printers.Column("ReclaimPolicy", doc["reclaimPolicy"]),
			printers.Column("VolumeBindingMode", doc["volumeBindingMode"]),
			printers.Column("AllowVolumeExpansion", doc["allowVolumeExpansion"]),
			printers.Age,
		},
		Cells: registry.Row(storageClassCells),
	}
}

const defaultClassAnnotation = "storageclass.kubernetes.io/is-default-class"

func storageClassCells(c *storagev1.StorageClass, now registry.Clock) []any {
	name := c.Name
	if c.Annotations[defaultClassAnnotation] == "true" || c.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true" {
		name += " (default)"
	}
	reclaim, binding, expand := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingImmediate, false
	if c.ReclaimPolicy != nil {
		reclaim = *c.ReclaimPolicy
	}
	if c.VolumeBindingMode != nil {
		binding = *c.VolumeBindingMode
	}
	if c.AllowVolumeExpansion != nil {
		expand = *c.AllowVolumeExpansion
	}
	return []any{name, c.Provisioner, string(reclaim), string(binding), expand, printers.Since(c.CreationTimestamp, now)}
}

func validateStorageClass(c *storagev1.StorageClass) field.ErrorList {
	errs := validateProvisioner(c.Provisioner, field.NewPath("provisioner"))
	errs = append(errs, validateParameters(c.Parameters, true, field.NewPath("parameters"))...)
	if p := c.ReclaimPolicy; p != nil && *p != "" {
		errs = append(errs, validate.OneOf(field.NewPath("reclaimPolicy"), *p,
			[]corev1.PersistentVolumeReclaimPolicy{corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain})...)
	}
	errs = append(errs, validateBindingMode(c.VolumeBindingMode, field.NewPath("volumeBindingMode"))...)
	return append(errs, validateAllowedTopologies(c.AllowedTopologies, field.NewPath("allowedTopologies"))...)
}

func validateBindingMode(mode *storagev1.VolumeBindingMode, at *field.Path) field.ErrorList {
	if mode == nil {
		return field.ErrorList{field.Required(at, "")}
	}
	return validate.OneOf(at, *mode, []storagev1.VolumeBindingMode{storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer})
}

func validateStorageClassUpdate(c, old *storagev1.StorageClass) field.ErrorList {
	errs := validateStorageClass(c)
	errs = append(errs, apivalidation.ValidateImmutableField(c.Parameters, old.Parameters, field.NewPath("parameters"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(c.Provisioner, old.Provisioner, field.NewPath("provisioner"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(c.ReclaimPolicy, old.ReclaimPolicy, field.NewPath("reclaimPolicy"))...)
	return append(errs, apivalidation.ValidateImmutableField(c.VolumeBindingMode, old.VolumeBindingMode, field.NewPath("volumeBindingMode"))...)
}

// storageClassWarnings tells of node labels that have been replaced.
func storageClassWarnings(c *storagev1.StorageClass) []string {
	var out []string
	for i, topology := range c.AllowedTopologies {
		for j, expression := range topology.MatchLabelExpressions {
			if message, deprecated := validate.DeprecatedNodeLabel(expression.Key); deprecated {
				at := field.NewPath("allowedTopologies").Index(i).Child("matchLabelExpressions").Index(j).Child("key")
				out = append(out, fmt.Sprintf("%s: %s", at, message))
			}
		}
	}
	return out
}
