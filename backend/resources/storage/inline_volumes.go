package storage

import (
	"pilothouse/backend/resources/podspec"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// notInline is what is wrong with a field that an inline volume may not have.
const notInline = "may not be specified in the context of inline volumes"

// validateInlineVolume checks the volume that an attachment carries in itself.
// It can only be one of a CSI driver, and has nothing that binds it to a claim
// or a class.
func validateInlineVolume(s *corev1.PersistentVolumeSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	forbid := func(there bool, name, message string) {
		if there {
			errs = append(errs, field.Forbidden(at.Child(name), message))
		}
	}
	forbid(s.ClaimRef != nil, "claimRef", notInline)
	forbid(len(s.Capacity) > 0, "capacity", notInline)
	if s.CSI == nil {
		errs = append(errs, field.Required(at.Child("csi"), "has to be specified in the context of inline volumes"))
	}
	errs = append(errs, podspec.ValidatePersistentVolumeSpec(inlinePart(s), "", false, at)...)
	policy := s.PersistentVolumeReclaimPolicy
	forbid(policy != "" && policy != corev1.PersistentVolumeReclaimRetain, "persistentVolumeReclaimPolicy",
		"may only be "+string(corev1.PersistentVolumeReclaimRetain)+" in the context of inline volumes")
	forbid(s.NodeAffinity != nil, "nodeAffinity", notInline)
	forbid(s.StorageClassName != "", "storageClassName", notInline)
	forbid(s.VolumeMode != nil && *s.VolumeMode != corev1.PersistentVolumeFilesystem, "volumeMode",
		"may not specify volumeMode other than "+string(corev1.PersistentVolumeFilesystem)+" in the context of inline volumes")
	forbid(s.VolumeAttributesClassName != nil, "volumeAttributesClassName", notInline)
	return errs
}

// inlinePart gives what an inline volume has in common with others, in a spec
// that is valid but for that.
func inlinePart(s *corev1.PersistentVolumeSpec) *corev1.PersistentVolumeSpec {
	return &corev1.PersistentVolumeSpec{
		PersistentVolumeSource: s.PersistentVolumeSource,
		AccessModes:            s.AccessModes,
		Capacity:               corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(1, resource.BinarySI)},
	}
}
