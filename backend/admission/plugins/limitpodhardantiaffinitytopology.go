package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// limitPodHardAntiAffinityTopology lets pods keep others off their node, but off
// nothing larger.
type limitPodHardAntiAffinityTopology struct{ handler }

func newLimitPodHardAntiAffinityTopology(*deps) (admission.Plugin, error) {
	return &limitPodHardAntiAffinityTopology{handler{"LimitPodHardAntiAffinityTopology", writes(pods)}}, nil
}

// Validate looks at the required terms.
func (*limitPodHardAntiAffinityTopology) Validate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil || pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return err
	}
	for _, term := range pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		if term.TopologyKey != corev1.LabelHostname {
			return apierrors.NewForbidden(a.Resource.GroupResource(), pod.Name, fmt.Errorf("affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey %v but only key %v is allowed", term.TopologyKey, corev1.LabelHostname))
		}
	}
	return nil
}
