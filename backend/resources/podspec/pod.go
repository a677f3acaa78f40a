package podspec

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	metadataPath = field.NewPath("metadata")
	specPath     = field.NewPath("spec")
)

// ValidatePodCreate gives what is wrong with a new pod besides its metadata.
func ValidatePodCreate(pod *v1.Pod, o Options) field.ErrorList {
	errs := validatePod(pod, o)
	if len(pod.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(specPath.Child("ephemeralContainers"), "cannot be set on create"))
	}
	if pod.Spec.NodeName != "" && len(pod.Spec.SchedulingGates) > 0 {
		errs = append(errs, field.Forbidden(specPath.Child("nodeName"), "cannot be set until all schedulingGates have been cleared"))
	}
	errs = append(errs, seccompMatches(pod.Annotations, &pod.Spec, specPath)...)
	return append(errs, appArmorMatches(pod.Annotations, &pod.Spec, specPath)...)
}

// validatePod is what creates and updates have in common.
func validatePod(pod *v1.Pod, o Options) field.ErrorList {
	o.Pod = true
	errs := ValidateAnnotations(pod.Annotations, &pod.Spec, metadataPath.Child("annotations"), o)
	errs = append(errs, ValidateSpec(&pod.Spec, &pod.ObjectMeta, specPath, o)...)
	if pod.Spec.ServiceAccountName == "" {
		errs = append(errs, forbidTokens(pod.Spec.Volumes)...)
	}
	for i := range pod.Spec.Containers {
		errs = append(errs, trimmedImage(pod.Spec.Containers[i].Image, specPath.Child("containers").Index(i))...)
	}
	for i := range pod.Spec.InitContainers {
		errs = append(errs, trimmedImage(pod.Spec.InitContainers[i].Image, specPath.Child("initContainers").Index(i))...)
	}
	return errs
}

// forbidTokens refuses tokens of a service account that the pod does not have.
func forbidTokens(volumes []v1.Volume) field.ErrorList {
	var errs field.ErrorList
	for i := range volumes {
		if volumes[i].Projected == nil {
			continue
		}
		for j := range volumes[i].Projected.Sources {
			if volumes[i].Projected.Sources[j].ServiceAccountToken != nil {
				at := specPath.Child("volumes").Index(i).Child("projected", "sources").Index(j).Child("serviceAccountToken")
				errs = append(errs, field.Forbidden(at, "must not be specified when serviceAccountName is not set"))
			}
		}
	}
	return errs
}

// annotationUpdates refuses changes of annotations that only mean something
// when a pod is created.
func annotationUpdates(pod, old *v1.Pod, o Options) field.ErrorList {
	path := metadataPath.Child("annotations")
	var errs field.ErrorList
	isAppArmor := func(key string) bool {
		return strings.HasPrefix(key, v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
	}
	for _, key := range sets.List(sets.KeySet(old.Annotations)) {
		if value, there := pod.Annotations[key]; there && value == old.Annotations[key] {
			continue
		}
		if isAppArmor(key) {
			errs = append(errs, field.Forbidden(path.Key(key), "may not remove or update AppArmor annotations"))
		}
		if key == v1.MirrorPodAnnotationKey {
			errs = append(errs, field.Forbidden(path.Key(key), "may not remove or update mirror pod annotation"))
		}
	}
	for _, key := range sets.List(sets.KeySet(pod.Annotations)) {
		if _, there := old.Annotations[key]; there {
			continue
		}
		if isAppArmor(key) {
			errs = append(errs, field.Forbidden(path.Key(key), "may not add AppArmor annotations"))
		}
		if key == v1.MirrorPodAnnotationKey {
			errs = append(errs, field.Forbidden(path.Key(key), "may not add mirror pod annotation"))
		}
	}
	return append(errs, ValidateAnnotations(pod.Annotations, &pod.Spec, path, o)...)
}
