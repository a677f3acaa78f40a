package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/node/runtime"
	"pilothouse/backend/scheduler"

	corev1 "k8s.io/api/core/v1"
)

func (w *worker) setAccepted(yes bool) {
	w.mu.Lock()
	w.accepted = yes
	w.mu.Unlock()
}

// refuse gives why a pod has to fail: it may not begin here, or has had its time.
func (w *worker) refuse(ctx context.Context, pod *corev1.Pod, o *observed) *refusal {
	if r := w.deadline(pod); r != nil {
		return r
	}
	if w.admitted() {
		return w.oversize(pod)
	}
	begun := len(o.views) > 0 || pod.Status.StartTime != nil
	if r := w.admit(ctx, pod); r != nil && !begun {
		w.agent.recorder.Event(pod, corev1.EventTypeWarning, r.reason, "%s", r.message)
		return r
	}
	w.setAccepted(true)
	if rep, ok := w.agent.Runtime.(runtime.Reporter); ok {
		for _, line := range rep.Unenforced(pod) {
			w.agent.recorder.Event(pod, corev1.EventTypeWarning, "NotEnforced", "%s", line)
		}
	}
	return nil
}

// admit checks what a kubelet checks before it takes a pod, which somebody may
// have bound without asking a scheduler.
func (w *worker) admit(ctx context.Context, pod *corev1.Pod) *refusal {
	if a, ok := w.agent.Runtime.(runtime.Admitter); ok {
		if reason, message := a.Admit(pod); reason != "" {
			return &refusal{reason, message}
		}
	}
	node := &corev1.Node{}
	node.Name, node.Labels = w.agent.Name, w.agent.labels()
	node.Status.Allocatable = w.agent.capacity()
	if labels := w.agent.knownLabels(); labels != nil {
		node.Labels = labels
	}
	against := scheduler.Fits(pod, node, w.agent.bound(pod.UID))
	if len(against) > 0 {
		// The labels may have changed just now: a scheduler that watches knew.
		if err := w.agent.Client.Get(ctx, nodesResource, "", w.agent.Name, node); err == nil {
			w.agent.learn(node)
			node.Status.Allocatable = w.agent.capacity()
			against = scheduler.Fits(pod, node, w.agent.bound(pod.UID))
		}
	}
	if len(against) == 0 {
		return nil
	}
	reason := "NodeAffinity"
	switch {
	case strings.HasPrefix(against[0], "Insufficient "):
		reason = "OutOf" + strings.TrimPrefix(against[0], "Insufficient ")
	case strings.HasPrefix(against[0], "Too many"):
		reason = "OutOfpods"
	case strings.Contains(against[0], "ports"):
		reason = "NodePorts"
	}
	return &refusal{reason, fmt.Sprintf("Pod was rejected: Predicate %s failed: %s", strings.TrimPrefix(reason, "OutOf"), strings.Join(against, ", "))}
}

// deadline is activeDeadlineSeconds.
func (w *worker) deadline(pod *corev1.Pod) *refusal {
	if pod.Spec.ActiveDeadlineSeconds == nil || pod.Status.StartTime == nil {
		return nil
	}
	left := pod.Status.StartTime.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second).Sub(w.agent.Clock())
	if left > 0 {
		seconds := *pod.Spec.ActiveDeadlineSeconds
		w.once(fmt.Sprint("deadline", seconds), func() { time.AfterFunc(left, w.poke) })
		return nil
	}
	r := &refusal{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"}
	w.agent.recorder.Event(pod, corev1.EventTypeNormal, r.reason, "%s", r.message)
	return r
}
