package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// persistentVolumeClaimResize lets claims grow only where their storage class
// can make volumes larger.
type persistentVolumeClaimResize struct {
	handler
	classes *lookup[*storagev1.StorageClass]
}

func newPersistentVolumeClaimResize(d *deps) (admission.Plugin, error) {
	return &persistentVolumeClaimResize{handler{"PersistentVolumeClaimResize", on(admission.Update, claims)}, d.storageClasses}, nil
}

// Validate refuses growth that nobody could carry out.
func (p *persistentVolumeClaimResize) Validate(_ context.Context, a *admission.Attributes) error {
	claim, ok := a.Object.(*corev1.PersistentVolumeClaim)
	old, wasOne := a.Old.(*corev1.PersistentVolumeClaim)
	if !ok || !wasOne {
		return nil
	}
	size, before := claim.Spec.Resources.Requests[corev1.ResourceStorage], old.Spec.Resources.Requests[corev1.ResourceStorage]
	if size.Cmp(before) <= 0 {
		return nil
	}
	if old.Status.Phase != corev1.ClaimBound {
		return admission.Forbid(a, "Only bound persistent volume claims can be expanded")
	}
	if !p.expands(claim, old) {
		return admission.Forbid(a, "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize")
	}
	return nil
}

func (p *persistentVolumeClaimResize) expands(claim, old *corev1.PersistentVolumeClaim) bool {
	name := storageClassOf(claim)
	if name == "" || name != storageClassOf(old) {
		return false
	}
	class, ok := p.classes.get("", name)
	return ok && class.AllowVolumeExpansion != nil && *class.AllowVolumeExpansion
}
