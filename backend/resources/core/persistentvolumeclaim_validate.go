package core

import (
	"context"
	"maps"
	"slices"

	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateClaim(_ context.Context, c *corev1.PersistentVolumeClaim) field.ErrorList {
	return podspec.ValidateClaimSpecWith(&c.Spec, specPath, podspec.ClaimOptions{})
}

// claimOptions let an update keep what was stored under older rules.
func claimOptions(old *corev1.PersistentVolumeClaimSpec) podspec.ClaimOptions {
	var o podspec.ClaimOptions
	source, ref := old.DataSource, old.DataSourceRef
	o.AllowInvalidDataSource = source != nil && source.APIGroup != nil || ref != nil && ref.APIGroup != nil
	o.AllowInvalidSelectorValues = len(metav1validation.ValidateLabelSelector(old.Selector, metav1validation.LabelSelectorValidationOptions{}, nil)) > 0
	return o
}

func validateClaimUpdate(_ context.Context, c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	errs := podspec.ValidateClaimSpecWith(&c.Spec, specPath, claimOptions(&old.Spec))
	// is and was become equal but for what may not change.
	is, was := c.DeepCopy(), old.DeepCopy()
	normalizeDataSources(&was.Spec)
	if was.Spec.VolumeName == "" {
		was.Spec.VolumeName = is.Spec.VolumeName
	}
	if classFromAnnotation(was, is) {
		is.Spec.StorageClassName = nil
		metav1.SetMetaDataAnnotation(&is.ObjectMeta, corev1.BetaStorageClassAnnotation, was.Annotations[corev1.BetaStorageClassAnnotation])
	} else {
		const name = corev1.BetaStorageClassAnnotation
		if c.Annotations[name] != old.Annotations[name] {
			errs = append(errs, field.Invalid(field.NewPath("metadata").Child("annotations", name), c.Annotations[name], apivalidation.FieldImmutableErrorMsg))
		}
		if classFromNothing(was, is) {
			is.Spec.StorageClassName = was.Spec.StorageClassName
		}
	}
	if c.Status.Phase == corev1.ClaimBound {
		if is.Spec.Resources.Requests != nil {
			is.Spec.Resources.Requests[corev1.ResourceStorage] = old.Spec.Resources.Requests[corev1.ResourceStorage]
		}
		if is.Spec.VolumeAttributesClassName != nil {
			is.Spec.VolumeAttributesClassName = was.Spec.VolumeAttributesClassName
		}
	}
	if !apiequality.Semantic.DeepEqual(is.Spec, was.Spec) {
		changes := diff.Diff(validate.Internal(was.Spec), validate.Internal(is.Spec))
		errs = append(errs, field.Forbidden(specPath, "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"+changes))
	}
	errs = append(errs, validateClaimSize(c, old)...)
	errs = append(errs, apivalidation.ValidateImmutableField(c.Spec.VolumeMode, old.Spec.VolumeMode, field.NewPath("volumeMode"))...)
	return append(errs, validateAttributesClassChange(c.Spec.VolumeAttributesClassName, old.Spec.VolumeAttributesClassName)...)
}

// validateClaimSize lets a claim shrink to no less than what it has: that is
// the way back from an expansion that failed.
func validateClaimSize(c, old *corev1.PersistentVolumeClaim) field.ErrorList {
	size, was := c.Spec.Resources.Requests[corev1.ResourceStorage], old.Spec.Resources.Requests[corev1.ResourceStorage]
	has := old.Status.Capacity[corev1.ResourceStorage]
	if size.Cmp(was) < 0 && size.Cmp(has) <= 0 {
		return field.ErrorList{field.Forbidden(specPath.Child("resources", "requests", "storage"), "field can not be less than status.capacity")}
	}
	return nil
}

func validateAttributesClassChange(class, was *string) field.ErrorList {
	path := specPath.Child("volumeAttributesClassName")
	switch {
	case was == nil || samePointer(class, was):
		return nil
	case class == nil:
		return field.ErrorList{field.Forbidden(path, "update from non-nil value to nil is forbidden")}
	case *class == "":
		return field.ErrorList{field.Forbidden(path, "update from non-nil value to an empty string is forbidden")}
	}
	return nil
}

// classFromAnnotation tells an update that moves the storage class from the
// annotation of old into its field.
func classFromAnnotation(old, c *corev1.PersistentVolumeClaim) bool {
	was, had := old.Annotations[corev1.BetaStorageClassAnnotation]
	is, has := c.Annotations[corev1.BetaStorageClassAnnotation]
	class := c.Spec.StorageClassName
	return had && old.Spec.StorageClassName == nil && class != nil && *class == was && (!has || is == was)
}

// classFromNothing tells an update that gives a class to a claim without one.
func classFromNothing(old, c *corev1.PersistentVolumeClaim) bool {
	was, had := old.Annotations[corev1.BetaStorageClassAnnotation]
	class := c.Spec.StorageClassName
	return class != nil && old.Spec.StorageClassName == nil && (!had || *class == was)
}

var resizeStatuses = []corev1.ClaimResourceStatus{
	corev1.PersistentVolumeClaimControllerResizeInProgress,
	corev1.PersistentVolumeClaimControllerResizeInfeasible,
	corev1.PersistentVolumeClaimNodeResizeInProgress,
	corev1.PersistentVolumeClaimNodeResizeInfeasible,
	corev1.PersistentVolumeClaimNodeResizePending,
}

func validateClaimStatus(_ context.Context, c, _ *corev1.PersistentVolumeClaim) field.ErrorList {
	var errs field.ErrorList
	if len(c.Spec.AccessModes) == 0 {
		errs = append(errs, field.Required(field.NewPath("Spec", "accessModes"), ""))
	}
	status := field.NewPath("status")
	for _, name := range slices.Sorted(maps.Keys(c.Status.Capacity)) {
		errs = append(errs, validate.BasicQuantity(c.Status.Capacity[name], status.Child("capacity").Key(string(name)))...)
	}
	resize := status.Child("allocatedResourceStatuses")
	for _, name := range slices.Sorted(maps.Keys(c.Status.AllocatedResourceStatuses)) {
		errs = append(errs, validateClaimResource(name, resize)...)
		if !slices.Contains(resizeStatuses, c.Status.AllocatedResourceStatuses[name]) {
			errs = append(errs, field.NotSupported(resize, name, resizeStatuses))
		}
	}
	allocated := status.Child("allocatedResources")
	for _, name := range slices.Sorted(maps.Keys(c.Status.AllocatedResources)) {
		if wrong := validateClaimResource(name, allocated); len(wrong) > 0 {
			errs = append(errs, wrong...)
			continue
		}
		q, path := c.Status.AllocatedResources[name], allocated.Key(string(name))
		if wrong := validate.BasicQuantity(q, path); len(wrong) > 0 {
			errs = append(errs, wrong...)
		} else {
			errs = append(errs, validate.QuantityOf(corev1.ResourceStorage, q, path)...)
		}
	}
	return errs
}

// validateClaimResource wants storage or a resource with somebody's domain.
func validateClaimResource(name corev1.ResourceName, path *field.Path) field.ErrorList {
	if errs := validate.Messages(path, string(name), validation.IsQualifiedName(string(name))); len(errs) > 0 {
		return errs
	}
	if validate.IsNativeResource(name) && name != corev1.ResourceStorage {
		return field.ErrorList{field.NotSupported(path, string(name), []corev1.ResourceName{corev1.ResourceStorage})}
	}
	return nil
}
