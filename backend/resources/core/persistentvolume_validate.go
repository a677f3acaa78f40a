package core

import (
	"context"

	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateVolume(pv, old *corev1.PersistentVolume) field.ErrorList {
	allowInvalidNodeValues := old != nil && old.Spec.NodeAffinity != nil && old.Spec.NodeAffinity.Required != nil &&
		validate.HasInvalidNodeSelectorValue(old.Spec.NodeAffinity.Required.NodeSelectorTerms)
	errs := podspec.ValidatePersistentVolumeSpec(&pv.Spec, pv.Name, allowInvalidNodeValues, specPath)
	if _, ok := pv.Annotations[corev1.MountOptionAnnotation]; ok && !takesMountOptions(&pv.Spec) {
		path := field.NewPath("metadata").Child("annotations", corev1.MountOptionAnnotation)
		errs = append(errs, field.Forbidden(path, "may not specify mount options for this volume type"))
	}
	return errs
}

// takesMountOptions tells the sources that the annotation for mount options was
// made for.
func takesMountOptions(s *corev1.PersistentVolumeSpec) bool {
	return s.GCEPersistentDisk != nil || s.AWSElasticBlockStore != nil || s.Glusterfs != nil || s.NFS != nil ||
		s.RBD != nil || s.Quobyte != nil || s.ISCSI != nil || s.Cinder != nil || s.CephFS != nil ||
		s.AzureFile != nil || s.VsphereVolume != nil || s.AzureDisk != nil || s.PhotonPersistentDisk != nil
}

func validateVolumeUpdate(_ context.Context, pv, old *corev1.PersistentVolume) field.ErrorList {
	errs := validateVolume(pv, old)
	// Twice, as upstream does: clients see both.
	errs = append(errs, errs...)
	source := pv.Spec.PersistentVolumeSource
	if was, is := old.Spec.CSI, source.CSI; was != nil && was.ControllerExpandSecretRef == nil && is != nil {
		// It may be added later.
		csi := *is
		csi.ControllerExpandSecretRef = nil
		source.CSI = &csi
	}
	if !apiequality.Semantic.DeepEqual(source, old.Spec.PersistentVolumeSource) {
		changes := diff.Diff(validate.Internal(old.Spec.PersistentVolumeSource), validate.Internal(source))
		errs = append(errs, field.Forbidden(specPath.Child("persistentvolumesource"), "spec.persistentvolumesource is immutable after creation\n"+changes))
	}
	errs = append(errs, apivalidation.ValidateImmutableField(pv.Spec.VolumeMode, old.Spec.VolumeMode, field.NewPath("volumeMode"))...)
	if was := old.Spec.NodeAffinity; was != nil && !sameNodeAffinity(pv.Spec.NodeAffinity, was) {
		errs = append(errs, field.Invalid(field.NewPath("nodeAffinity"), validate.Internal(pv.Spec.NodeAffinity), apivalidation.FieldImmutableErrorMsg+", except for updating from beta label to GA"))
	}
	if old.Spec.VolumeAttributesClassName != nil && pv.Spec.VolumeAttributesClassName == nil {
		errs = append(errs, field.Forbidden(specPath.Child("volumeAttributesClassName"), "update from non-nil value to nil is forbidden"))
	}
	return errs
}

// gaLabels are the labels that took the places of beta ones.
var gaLabels = map[string]string{
	corev1.LabelFailureDomainBetaZone:   corev1.LabelTopologyZone,
	corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
	"beta.kubernetes.io/os":             corev1.LabelOSStable,
	"beta.kubernetes.io/arch":           corev1.LabelArchStable,
	corev1.LabelInstanceType:            corev1.LabelInstanceTypeStable,
}

// sameNodeAffinity compares two affinities; the new one may have a stable label
// where the old one has its beta form.
func sameNodeAffinity(a, old *corev1.VolumeNodeAffinity) bool {
	if a == nil || a.Required == nil || old.Required == nil {
		return apiequality.Semantic.DeepEqual(a, old)
	}
	was := old.DeepCopy()
	for i := range was.Required.NodeSelectorTerms {
		if i >= len(a.Required.NodeSelectorTerms) {
			return false
		}
		term, is := &was.Required.NodeSelectorTerms[i], &a.Required.NodeSelectorTerms[i]
		renameToGA(term.MatchExpressions, is.MatchExpressions)
		renameToGA(term.MatchFields, is.MatchFields)
	}
	return apiequality.Semantic.DeepEqual(a, was)
}

func renameToGA(was, is []corev1.NodeSelectorRequirement) {
	for i := range was {
		if i < len(is) && gaLabels[was[i].Key] == is[i].Key && is[i].Key != "" {
			was[i].Key = is[i].Key
		}
	}
}
