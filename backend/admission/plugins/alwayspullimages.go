package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// alwaysPullImages makes nodes ask the registry for every image, so that nobody
// uses one that another user's credentials brought there.
type alwaysPullImages struct{ handler }

func newAlwaysPullImages(*deps) (admission.Plugin, error) {
	return &alwaysPullImages{handler{"AlwaysPullImages", writes(pods, podsEphemeral)}}, nil
}

// Mutate sets the pull policies.
func (*alwaysPullImages) Mutate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil || noNewImages(a, pod) {
		return err
	}
	eachPullPolicy(pod, func(p *corev1.PullPolicy, _ *field.Path) { *p = corev1.PullAlways })
	return nil
}

// Validate refuses what came after.
func (*alwaysPullImages) Validate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil || noNewImages(a, pod) {
		return err
	}
	var fault error
	eachPullPolicy(pod, func(p *corev1.PullPolicy, at *field.Path) {
		if *p != corev1.PullAlways && fault == nil {
			fault = admission.Forbidden(a, field.NotSupported(at, *p, []string{string(corev1.PullAlways)}))
		}
	})
	return fault
}

func eachPullPolicy(pod *corev1.Pod, f func(*corev1.PullPolicy, *field.Path)) {
	spec := field.NewPath("spec")
	for i := range pod.Spec.InitContainers {
		f(&pod.Spec.InitContainers[i].ImagePullPolicy, spec.Child("initContainers").Index(i).Child("imagePullPolicy"))
	}
	for i := range pod.Spec.Containers {
		f(&pod.Spec.Containers[i].ImagePullPolicy, spec.Child("containers").Index(i).Child("imagePullPolicy"))
	}
	for i := range pod.Spec.EphemeralContainers {
		f(&pod.Spec.EphemeralContainers[i].ImagePullPolicy, spec.Child("ephemeralContainers").Index(i).Child("imagePullPolicy"))
	}
	for i := range pod.Spec.Volumes {
		if image := pod.Spec.Volumes[i].Image; image != nil {
			f(&image.PullPolicy, spec.Child("volumes").Index(i).Child("image", "pullPolicy"))
		}
	}
}

// noNewImages tells that an update brings no image that was not there.
func noNewImages(a *admission.Attributes, pod *corev1.Pod) bool {
	old, ok := a.Old.(*corev1.Pod)
	if a.Operation != admission.Update || !ok {
		return false
	}
	return imagesOf(old).IsSuperset(imagesOf(pod))
}

func imagesOf(pod *corev1.Pod) sets.Set[string] {
	images := sets.New[string]()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, ephemeralOf(pod)} {
		for i := range list {
			images.Insert(list[i].Image)
		}
	}
	for i := range pod.Spec.Volumes {
		if image := pod.Spec.Volumes[i].Image; image != nil {
			images.Insert(image.Reference)
		}
	}
	return images
}
