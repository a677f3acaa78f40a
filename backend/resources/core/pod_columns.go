package core

import (
	"fmt"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var podColumns = []registry.Column{
	printers.Name,
	printers.Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
	printers.Column("Status", "The aggregate status of the containers in this pod."),
	printers.Column("Restarts", "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted."),
	printers.Age,
	printers.Wide("IP", corev1.PodStatus{}.SwaggerDoc()["podIP"]),
	printers.Wide("Node", corev1.PodSpec{}.SwaggerDoc()["nodeName"]),
	printers.Wide("Nominated Node", corev1.PodStatus{}.SwaggerDoc()["nominatedNodeName"]),
	printers.Wide("Readiness Gates", corev1.PodSpec{}.SwaggerDoc()["readinessGates"]),
}

func podCells(pod *corev1.Pod, now registry.Clock) []any {
	s := summarizePod(pod)
	restarts := strconv.Itoa(s.restarts)
	if s.restarts != 0 && !s.lastRestart.IsZero() {
		restarts = fmt.Sprintf("%d (%s ago)", s.restarts, printers.Since(s.lastRestart, now))
	}
	return []any{
		pod.Name,
		fmt.Sprintf("%d/%d", s.ready, s.containers),
		s.reason,
		restarts,
		printers.Since(pod.CreationTimestamp, now),
		orNone(pod.Status.PodIP),
		orNone(pod.Spec.NodeName),
		orNone(pod.Status.NominatedNodeName),
		readinessGates(pod),
	}
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

// readinessGates gives how many of a pod's gates are open.
func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return "<none>"
	}
	open := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if c := podCondition(&pod.Status, gate.ConditionType); c != nil && c.Status == corev1.ConditionTrue {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(pod.Spec.ReadinessGates))
}

func podRowConditions(obj scheme.Object) []metav1.TableRowCondition {
	done := metav1.TableRowCondition{Type: metav1.RowCompleted, Status: metav1.ConditionTrue}
	switch obj.(*corev1.Pod).Status.Phase {
	case corev1.PodSucceeded:
		done.Reason, done.Message = string(corev1.PodSucceeded), "The pod has completed successfully."
	case corev1.PodFailed:
		done.Reason, done.Message = string(corev1.PodFailed), "The pod failed."
	default:
		return nil
	}
	return []metav1.TableRowCondition{done}
}

// podSummary is a pod in a line: what `kubectl get pods` shows.
type podSummary struct {
	reason            string
	ready, containers int
	restarts          int
	lastRestart       metav1.Time
}

// summarizePod tells what a pod is doing. The reason is the most telling of the
// pod's phase and reason, then of its init containers until they are done, then
// of its containers, and in the end of its deletion.
func summarizePod(pod *corev1.Pod) podSummary {
	s := podSummary{reason: string(pod.Status.Phase), containers: len(pod.Spec.Containers)}
	if pod.Status.Reason != "" {
		s.reason = pod.Status.Reason
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			s.reason = corev1.PodReasonSchedulingGated
		}
	}
	sidecars := map[string]bool{}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars[c.Name] = true
			s.containers++
		}
	}
	sidecarRestarts, initializing := s.addInitContainers(pod, sidecars)
	if initialized := podCondition(&pod.Status, corev1.PodInitialized); !initializing || initialized != nil && initialized.Status == corev1.ConditionTrue {
		s.restarts, s.lastRestart = sidecarRestarts.restarts, sidecarRestarts.lastRestart
		s.addContainers(pod)
	}
	switch {
	case pod.DeletionTimestamp == nil:
	case pod.Status.Reason == "NodeLost":
		s.reason = "Unknown"
	case !podEnded(pod):
		s.reason = "Terminating"
	}
	return s
}

// addRestarts counts a container's restarts.
func (s *podSummary) addRestarts(c *corev1.ContainerStatus) {
	s.restarts += int(c.RestartCount)
	if t := c.LastTerminationState.Terminated; t != nil && s.lastRestart.Before(&t.FinishedAt) {
		s.lastRestart = t.FinishedAt
	}
}

// addInitContainers goes through the init containers up to the first that is
// not done. It gives the restarts of the sidecars among them.
func (s *podSummary) addInitContainers(pod *corev1.Pod, sidecars map[string]bool) (sidecarRestarts podSummary, initializing bool) {
	for i := range pod.Status.InitContainerStatuses {
		c := &pod.Status.InitContainerStatuses[i]
		s.addRestarts(c)
		if sidecars[c.Name] {
			sidecarRestarts.addRestarts(c)
		}
		switch t, w := c.State.Terminated, c.State.Waiting; {
		case t != nil && t.ExitCode == 0:
			continue
		case sidecars[c.Name] && c.Started != nil && *c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case t != nil:
			s.reason = "Init:" + terminationReason(t)
		case w != nil && w.Reason != "" && w.Reason != "PodInitializing":
			s.reason = "Init:" + w.Reason
		default:
			s.reason = fmt.Sprintf("Init:%d/%d", i, len(pod.Spec.InitContainers))
		}
		return sidecarRestarts, true
	}
	return sidecarRestarts, false
}

func terminationReason(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

// addContainers lets the first container that has something to say say it; that
// a container has failed is said rather than that another has completed.
func (s *podSummary) addContainers(pod *corev1.Pod) {
	running, failed := false, false
	for i := len(pod.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := &pod.Status.ContainerStatuses[i]
		s.addRestarts(c)
		switch t, w := c.State.Terminated, c.State.Waiting; {
		case w != nil && w.Reason != "":
			s.reason = w.Reason
		case t != nil && (t.ExitCode != 0 || !failed):
			s.reason = terminationReason(t)
			failed = t.ExitCode != 0
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.reason != "Completed" || !running {
		return
	}
	s.reason = "NotReady"
	if ready := podCondition(&pod.Status, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
		s.reason = "Running"
	}
}

func podCondition(s *corev1.PodStatus, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}
