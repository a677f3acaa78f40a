package storage

import (
	"context"
	"fmt"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// csiNodes tell the CSI drivers that a node of the same name has. A driver's
// entry is fixed but for what it can hold.
func csiNodes() registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "csinodes",
		Singular: "csinode",
		Kind:     "CSINode",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &storagev1.CSINode{} },
		}},
		Strategy: registry.For[*storagev1.CSINode]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			Validate:     func(_ context.Context, n *storagev1.CSINode) field.ErrorList { return validateCSINode(n) },
			ValidateUpdate: func(_ context.Context, n, old *storagev1.CSINode) field.ErrorList {
				return validateCSINodeUpdate(n, old)
			},
			ValidatesMetaOnUpdate:  1,
			SkipsMetaChanges:       true,
			RequireResourceVersion: true,
			DeleteReturnsObject:    true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Drivers", "Drivers indicates the number of CSI drivers registered on the node"),
			printers.Age,
		},
		Cells: registry.Row(func(n *storagev1.CSINode, now registry.Clock) []any {
			return []any{n.Name, int64(len(n.Spec.Drivers)), printers.Since(n.CreationTimestamp, now)}
		}),
	}
}

// maxNodeID is the longest id that a driver may have for a node, in bytes.
const maxNodeID = 256

func validateCSINode(n *storagev1.CSINode) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i := range n.Spec.Drivers {
		d := &n.Spec.Drivers[i]
		at := field.NewPath("spec", "drivers").Index(i)
		errs = append(errs, validate.CSIDriverName(d.Name, at.Child("name"))...)
		errs = append(errs, validateNodeID(d.NodeID, at.Child("nodeID"))...)
		if d.Allocatable != nil && d.Allocatable.Count != nil {
			errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*d.Allocatable.Count), at.Child("allocatable", "count"))...)
		}
		if seen.Has(d.Name) {
			errs = append(errs, field.Duplicate(at.Child("name"), d.Name))
		}
		seen.Insert(d.Name)
		errs = append(errs, validateTopologyKeys(d.TopologyKeys, at)...)
	}
	return errs
}

func validateNodeID(id string, at *field.Path) field.ErrorList {
	if id == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	if len(id) > maxNodeID {
		return field.ErrorList{field.Invalid(at, id, fmt.Sprintf("must be %d characters or less", maxNodeID))}
	}
	return nil
}

func validateTopologyKeys(keys []string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, key := range keys {
		if key == "" {
			errs = append(errs, field.Required(at, ""))
		}
		if slices.Contains(keys[:i], key) {
			errs = append(errs, field.Duplicate(at, key))
		}
		errs = append(errs, validate.QualifiedName(key, at)...)
	}
	return errs
}

// validateCSINodeUpdate checks the object twice, as upstream does: clients see
// both.
func validateCSINodeUpdate(n, old *storagev1.CSINode) field.ErrorList {
	errs := append(validateCSINode(n), validateCSINode(n)...)
	for _, before := range old.Spec.Drivers {
		for _, d := range n.Spec.Drivers {
			if d.Name != before.Name {
				continue
			}
			d.Allocatable, before.Allocatable = nil, nil
			if !equality.Semantic.DeepEqual(d, before) {
				errs = append(errs, field.Invalid(field.NewPath("spec", "drivers"), validate.Internal(d), apivalidation.FieldImmutableErrorMsg))
			}
		}
	}
	return errs
}
