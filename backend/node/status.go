package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/utils/ptr"
)

// publish writes the pod's status if it differs from what was written last.
func (w *worker) publish(ctx context.Context, pod *corev1.Pod, o *observed) error {
	s := w.status(pod, o, o.ips(w.agent, pod))
	return w.write(ctx, pod, s)
}

// publishEnd writes the status of a pod that is over, whose sandbox is gone
// already.
func (w *worker) publishEnd(ctx context.Context, pod *corev1.Pod, o *observed, ips []string) error {
	s := w.status(pod, o, ips)
	if w.refusal != nil {
		s.Phase, s.Reason, s.Message = corev1.PodFailed, w.refusal.reason, w.refusal.message
		if !w.admitted() && len(o.views) == 0 {
			// It never began: there is nothing to say about its containers.
			s.Conditions, s.ContainerStatuses, s.InitContainerStatuses = pod.Status.Conditions, nil, nil
		}
	} else if !slices.Contains([]corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed}, s.Phase) {
		s.Phase = outcome(s)
	}
	return w.write(ctx, pod, s)
}

// write sends what has changed of the status, and only that: others write
// conditions of their own.
func (w *worker) write(ctx context.Context, pod *corev1.Pod, s *corev1.PodStatus) error {
	if w.written != nil && apiequality.Semantic.DeepEqual(w.written, s) {
		return nil
	}
	// What is there may be newer than what was worked on: this very step may
	// have written already.
	newest, _ := w.current()
	patch, err := statusPatch(newest, s)
	if err != nil {
		return err
	}
	if patch == nil {
		w.written = s
		return nil
	}
	var now corev1.Pod
	err = w.agent.Client.Patch(ctx, podsResource, pod.Namespace, pod.Name, "status", types.StrategicMergePatchType, patch, &now)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or another of its name is there
	}
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	w.written = s
	w.mu.Lock()
	if w.pod.UID == now.UID && w.pod.DeletionTimestamp == nil {
		w.pod = &now
	}
	w.mu.Unlock()
	return nil
}

func statusPatch(pod *corev1.Pod, s *corev1.PodStatus) ([]byte, error) {
	strip := func(s *corev1.PodStatus) ([]byte, error) { return json.Marshal(&corev1.Pod{Status: *s}) }
	old, err := strip(&pod.Status)
	if err != nil {
		return nil, err
	}
	next, err := strip(s)
	if err != nil {
		return nil, err
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(old, next, corev1.Pod{})
	if err != nil || string(patch) == "{}" {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(patch, &fields); err != nil {
		return nil, err
	}
	fields["metadata"] = map[string]any{"uid": pod.UID}
	return json.Marshal(fields)
}

// status gives the whole status of the pod as it is now.
func (w *worker) status(pod *corev1.Pod, o *observed, ips []string) *corev1.PodStatus {
	s := pod.Status.DeepCopy()
	if pod.Status.ObservedGeneration != 0 || pod.Generation != 0 {
		s.ObservedGeneration = pod.Generation
	}
	if s.StartTime == nil {
		now := w.agent.now()
		s.StartTime = &now
	}
	s.HostIP, s.HostIPs = w.agent.Address, []corev1.HostIP{{IP: w.agent.Address}}
	if len(ips) > 0 || s.PodIP == "" {
		s.PodIP, s.PodIPs = "", nil
		for _, ip := range ips {
			s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: ip})
		}
		if len(ips) > 0 {
			s.PodIP = ips[0]
		}
	}
	initialized := w.initialized(pod, o)
	s.InitContainerStatuses = nil
	for i := range pod.Spec.InitContainers {
		s.InitContainerStatuses = append(s.InitContainerStatuses, w.containerState(pod, o, &pod.Spec.InitContainers[i], true, initialized))
	}
	s.ContainerStatuses = nil
	for i := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, w.containerState(pod, o, &pod.Spec.Containers[i], false, initialized))
	}
	s.EphemeralContainerStatuses = nil
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses, w.containerState(pod, o, &c, false, true))
	}
	if s.Phase = w.phase(pod, o, s); pod.DeletionTimestamp != nil && !w.alive(o) {
		s.Phase = outcome(s)
	}
	w.conditions(pod, o, s, initialized)
	return s
}

func (w *worker) alive(o *observed) bool {
	for _, v := range o.views {
		if v.running {
			return true
		}
	}
	return false
}

// initialized tells that all init containers have done their part.
func (w *worker) initialized(pod *corev1.Pod, o *observed) bool {
	if slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		v := o.view(c.Name)
		return v.id != "" || v.exited != nil && o.sandbox == nil
	}) {
		return true
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		v := o.view(c.Name)
		switch {
		case sidecar(c) && v.running && w.isStarted(c, v.id):
		case !sidecar(c) && v.exited != nil && v.exited.ExitCode == 0:
		default:
			return false
		}
	}
	return true
}

// containerState gives the status of one container.
func (w *worker) containerState(pod *corev1.Pod, o *observed, c *corev1.Container, isInit, initialized bool) corev1.ContainerStatus {
	v := o.view(c.Name)
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, RestartCount: int32(max(v.attempt, 0)), Started: ptr.To(false)}
	if v.status != nil {
		s.ContainerID = w.agent.Runtime.Name() + "://" + v.id
		s.ImageID = v.status.ImageRef
		if name := v.status.GetImage().GetImage(); name != "" && !strings.HasPrefix(name, "sha256:") {
			s.Image = name
		}
		if len(c.Resources.Limits)+len(c.Resources.Requests) > 0 {
			s.AllocatedResources = c.Resources.Requests.DeepCopy()
		}
		s.Resources = c.Resources.DeepCopy()
		for _, m := range c.VolumeMounts {
			k := corev1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly, RecursiveReadOnly: nil}
			if m.ReadOnly {
				k.RecursiveReadOnly = ptr.To(corev1.RecursiveReadOnlyDisabled)
			}
			s.VolumeMounts = append(s.VolumeMounts, k)
		}
		if u := v.status.GetUser().GetLinux(); u != nil {
			s.User = &corev1.ContainerUser{Linux: &corev1.LinuxContainerUser{UID: u.Uid, GID: u.Gid, SupplementalGroups: u.SupplementalGroups}}
		}
	} else if v.exited != nil {
		s.ContainerID = v.exited.ContainerID
	}
	if v.last != nil {
		s.LastTerminationState.Terminated = v.last
	}
	waits, waiting := w.waiting[c.Name]
	switch {
	case v.running:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: seconds(v.status.StartedAt)}
		s.Started = ptr.To(w.isStarted(c, v.id))
		s.Ready = *s.Started && w.isReady(c, v.id)
		if isInit && !sidecar(c) {
			s.Ready = false
		}
	case waiting && (v.exited == nil || restartable(pod, c, v) || isInit) && pod.DeletionTimestamp == nil:
		s.State.Waiting = &waits
		if v.exited != nil {
			s.LastTerminationState.Terminated = v.exited
		}
	case v.exited != nil:
		s.State.Terminated = v.exited
		if isInit && !sidecar(c) && v.exited.ExitCode == 0 {
			s.Ready = true
		}
	default:
		reason := "ContainerCreating"
		if len(pod.Spec.InitContainers) > 0 && !initialized {
			reason = "PodInitializing"
		}
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
	}
	return s
}

// phase sums the containers up.
func (w *worker) phase(pod *corev1.Pod, o *observed, s *corev1.PodStatus) corev1.PodPhase {
	if ended(pod) {
		return pod.Status.Phase
	}
	if w.initFailed(pod, o) {
		return corev1.PodFailed
	}
	initialized := w.initialized(pod, o)
	if !initialized {
		return corev1.PodPending
	}
	var running, waiting, stopped, succeeded int
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		v, state := o.view(c.Name), s.ContainerStatuses[i]
		switch {
		case v.running:
			running++
		case v.exited != nil && restartable(pod, c, v):
			running++ // it is about to run again
		case state.State.Terminated != nil:
			if stopped++; state.State.Terminated.ExitCode == 0 {
				succeeded++
			}
		default:
			waiting++
		}
	}
	switch {
	case waiting > 0:
		return corev1.PodPending
	case running > 0:
		return corev1.PodRunning
	case stopped == succeeded:
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

// outcome is the last phase of a pod whose containers have all ended.
func outcome(s *corev1.PodStatus) corev1.PodPhase {
	begun := false
	for _, c := range s.ContainerStatuses {
		if t := c.State.Terminated; t != nil {
			begun = true
			if t.ExitCode != 0 {
				return corev1.PodFailed
			}
		}
		if c.State.Waiting != nil && c.LastTerminationState.Terminated == nil {
			return corev1.PodFailed
		}
	}
	if !begun {
		return corev1.PodFailed
	}
	return corev1.PodSucceeded
}

// conditions sets the conditions that kubelets write.
func (w *worker) conditions(pod *corev1.Pod, o *observed, s *corev1.PodStatus, initialized bool) {
	over := s.Phase == corev1.PodSucceeded || s.Phase == corev1.PodFailed
	set := func(kind corev1.PodConditionType, yes bool, reason, message string) {
		status := corev1.ConditionTrue
		if !yes {
			status = corev1.ConditionFalse
		} else if reason != "PodCompleted" {
			reason, message = "", ""
		}
		i := slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
		next := corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: w.agent.now(), ObservedGeneration: s.ObservedGeneration}
		if i < 0 {
			s.Conditions = append(s.Conditions, next)
			return
		}
		if s.Conditions[i].Status == status {
			next.LastTransitionTime = s.Conditions[i].LastTransitionTime
		}
		next.LastProbeTime = s.Conditions[i].LastProbeTime
		s.Conditions[i] = next
	}
	set(corev1.PodReadyToStartContainers, o.sandbox != nil && !over, "", "")
	var unready, uninitialized []string
	for _, c := range s.InitContainerStatuses {
		if !c.Ready {
			uninitialized = append(uninitialized, c.Name)
		}
	}
	for _, c := range s.ContainerStatuses {
		if !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	for i := range pod.Spec.InitContainers {
		if sidecar(&pod.Spec.InitContainers[i]) && !s.InitContainerStatuses[i].Ready {
			unready = append(unready, s.InitContainerStatuses[i].Name)
		}
	}
	done := s.Phase == corev1.PodSucceeded
	initReason, reason, message := "ContainersNotInitialized", "ContainersNotReady", fmt.Sprintf("containers with unready status: %s", words(unready))
	if done {
		initReason, reason, message = "PodCompleted", "PodCompleted", ""
	}
	if s.Phase == corev1.PodFailed {
		reason, message = "PodFailed", ""
	}
	set(corev1.PodInitialized, initialized || done, initReason, fmt.Sprintf("containers with incomplete status: %s", words(uninitialized)))
	if done {
		s.Conditions[slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodInitialized })].Message = ""
	}
	ready := len(unready) == 0 && !over
	set(corev1.ContainersReady, ready, reason, message)
	gates := w.gates(pod, s)
	if ready && gates != "" {
		set(corev1.PodReady, false, "ReadinessGatesNotReady", gates)
	} else {
		set(corev1.PodReady, ready, reason, message)
	}
	set(corev1.PodScheduled, true, "", "")
}

func words(names []string) string { return "[" + strings.Join(names, " ") + "]" }

// gates says which readiness gates of the pod are closed.
func (w *worker) gates(pod *corev1.Pod, s *corev1.PodStatus) string {
	var lines []string
	for _, g := range pod.Spec.ReadinessGates {
		i := slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == g.ConditionType })
		switch {
		case i < 0:
			lines = append(lines, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", g.ConditionType))
		case s.Conditions[i].Status != corev1.ConditionTrue:
			lines = append(lines, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", g.ConditionType, s.Conditions[i].Status))
		}
	}
	return strings.Join(lines, ", ")
}
