package plugins

import (
	"context"
	"maps"
	"slices"

	"pilothouse/backend/admission"
	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
)

// extendedResourceToleration lets pods that ask for an extended resource onto
// the nodes that are kept for those: with a taint of the resource's name.
type extendedResourceToleration struct{ handler }

func newExtendedResourceToleration(*deps) (admission.Plugin, error) {
	return &extendedResourceToleration{handler{"ExtendedResourceToleration", writes(pods)}}, nil
}

// Mutate adds the tolerations.
func (*extendedResourceToleration) Mutate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			for name := range list[i].Resources.Requests {
				if validate.IsExtendedResource(name) {
					asked[string(name)] = true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		setToleration(pod, corev1.Toleration{Key: name, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	return nil
}

// setToleration adds a toleration, or puts it in the place of those that are
// about the same.
func setToleration(pod *corev1.Pod, t corev1.Toleration) {
	found := false
	for i := range pod.Spec.Tolerations {
		if t.MatchToleration(&pod.Spec.Tolerations[i]) {
			pod.Spec.Tolerations[i], found = t, true
		}
	}
	if !found {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, t)
	}
}
