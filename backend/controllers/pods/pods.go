// Package pods knows of pods what several controllers have to know: whether one
// is ready, available or over, and which port a name means.
package pods

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Condition gives a pod's condition of a type, nil when it has none.
func Condition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == kind {
			return c
		}
	}
	return nil
}

// Ready tells whether a pod's condition Ready is true.
func Ready(p *corev1.Pod) bool {
	c := Condition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// Available tells whether a pod has been ready for minReady; if it is ready and
// only time is missing, left says how much.
func Available(p *corev1.Pod, minReady time.Duration, now time.Time) (available bool, left time.Duration) {
	c := Condition(p, corev1.PodReady)
	if c == nil || c.Status != corev1.ConditionTrue {
		return false, 0
	}
	if minReady == 0 {
		return true, 0
	}
	if c.LastTransitionTime.IsZero() {
		return false, 0
	}
	left = c.LastTransitionTime.Add(minReady).Sub(now)
	return left <= 0, max(left, 0)
}

// Over tells whether a pod has succeeded or failed: it never runs again.
func Over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Active tells whether a pod is neither over nor about to go.
func Active(p *corev1.Pod) bool { return !Over(p) && p.DeletionTimestamp == nil }

// Port gives the number of the port of a pod that a service's port leads to;
// false when the pod has no port of that name.
func Port(p *corev1.Pod, port *corev1.ServicePort) (int32, bool) {
	if port.TargetPort.StrVal == "" {
		return port.TargetPort.IntVal, true
	}
	named := func(containers []corev1.Container, only func(*corev1.Container) bool) (int32, bool) {
		for i := range containers {
			c := &containers[i]
			if !only(c) {
				continue
			}
			for _, have := range c.Ports {
				if have.Name == port.TargetPort.StrVal && have.Protocol == port.Protocol {
					return have.ContainerPort, true
				}
			}
		}
		return 0, false
	}
	if n, ok := named(p.Spec.Containers, func(*corev1.Container) bool { return true }); ok {
		return n, true
	}
	return named(p.Spec.InitContainers, Sidecar)
}

// Sidecar tells whether an init container runs as long as the pod.
func Sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
