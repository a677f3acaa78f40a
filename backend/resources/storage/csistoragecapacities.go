package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// csiStorageCapacities tell how much a driver can still provide for a class in
// a part of the cluster; class and part are fixed once created.
func csiStorageCapacities() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "csistoragecapacities",
		Singular:   "csistoragecapacity",
		Kind:       "CSIStorageCapacity",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.CSIStorageCapacity{} },
		}},
		Strategy: registry.For[*storagev1.CSIStorageCapacity]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			Validate: func(_ context.Context, c *storagev1.CSIStorageCapacity) field.ErrorList {
				return validateStorageCapacity(c, metav1validation.LabelSelectorValidationOptions{})
			},
			WarningsOnCreate: func(_ context.Context, c *storagev1.CSIStorageCapacity) []string { return storageCapacityWarnings(c) },
			ValidateUpdate: func(_ context.Context, c, old *storagev1.CSIStorageCapacity) field.ErrorList {
				return validateStorageCapacityUpdate(c, old)
			},
			WarningsOnUpdate: func(_ context.Context, c, _ *storagev1.CSIStorageCapacity) []string {
				return storageCapacityWarnings(c)
			},
			ValidatesMetaOnUpdate:  1,
			RequireResourceVersion: true,
		}.Strategy(),
		Columns: printers.DefaultColumns,
		Cells: registry.Row(func(c *storagev1.CSIStorageCapacity, _ registry.Clock) []any {
			return printers.DefaultCells(c)
		}),
	}
}

func validateStorageCapacity(c *storagev1.CSIStorageCapacity, opts metav1validation.LabelSelectorValidationOptions) field.ErrorList {
	errs := metav1validation.ValidateLabelSelector(c.NodeTopology, opts, field.NewPath("nodeTopology"))
	errs = append(errs, validate.Messages(field.NewPath("storageClassName"), c.StorageClassName,
		apivalidation.NameIsDNSSubdomain(c.StorageClassName, false))...)
	if c.Capacity != nil {
		errs = append(errs, validate.NonnegativeQuantity(*c.Capacity, field.NewPath("capacity"))...)
	}
	return errs
}

func validateStorageCapacityUpdate(c, old *storagev1.CSIStorageCapacity) field.ErrorList {
	// A selector that was stored with bad values stays updatable.
	strict := metav1validation.LabelSelectorValidationOptions{}
	stored := len(metav1validation.ValidateLabelSelector(old.NodeTopology, strict, nil)) > 0
	errs := validateStorageCapacity(c, metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: stored})
	if !equality.Semantic.DeepEqual(c.NodeTopology, old.NodeTopology) {
		errs = append(errs, field.Invalid(field.NewPath("nodeTopology"), c.NodeTopology, apivalidation.FieldImmutableErrorMsg))
	}
	if c.StorageClassName != old.StorageClassName {
		errs = append(errs, field.Invalid(field.NewPath("storageClassName"), c.StorageClassName, apivalidation.FieldImmutableErrorMsg))
	}
	return errs
}

// storageCapacityWarnings tells of node labels that have been replaced.
func storageCapacityWarnings(c *storagev1.CSIStorageCapacity) []string {
	if c.NodeTopology == nil {
		return nil
	}
	var out []string
	at := field.NewPath("nodeTopology")
	for i, e := range c.NodeTopology.MatchExpressions {
		if message, deprecated := validate.DeprecatedNodeLabel(e.Key); deprecated {
			out = append(out, fmt.Sprintf("%s: %s", at.Child("matchExpressions").Index(i).Child("key"), message))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.NodeTopology.MatchLabels)) {
		if message, deprecated := validate.DeprecatedNodeLabel(key); deprecated {
			out = append(out, fmt.Sprintf("%s: %s", at.Child("matchLabels").Child(key), message))
		}
	}
	return out
}
