package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DropGated removes fields of a pod spec that belong to feature gates which are
// off in Kubernetes 1.36 unless asked for. Kubernetes drops them without a word
// when an object is written, before it validates.
func DropGated(s *v1.PodSpec) {
	s.SchedulingGroup = nil
	for i := range s.Volumes {
		if s.Volumes[i].Projected == nil {
			continue
		}
		sources := s.Volumes[i].Projected.Sources
		for j := range sources {
			sources[j].ClusterTrustBundle = nil
			sources[j].PodCertificate = nil
		}
	}
	visitContainers(s, nil, func(c *v1.Container, _ *field.Path) {
		if c.Lifecycle == nil || c.Lifecycle.StopSignal == nil {
			return
		}
		c.Lifecycle.StopSignal = nil
		if *c.Lifecycle == (v1.Lifecycle{}) {
			c.Lifecycle = nil
		}
	})
}

// DropGatedStatus does for a pod's status what DropGated does for its spec.
func DropGatedStatus(s *v1.PodStatus) {
	s.NodeAllocatableResourceClaimStatuses = nil
	for _, containers := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range containers {
			for j := range containers[i].VolumeMounts {
				containers[i].VolumeMounts[j].VolumeStatus = nil
			}
		}
	}
}
