package deployment

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// The reasons of conditions, in Kubernetes' words.
const (
	reasonAvailable   = "MinimumReplicasAvailable"
	reasonUnavailable = "MinimumReplicasUnavailable"
	reasonUpdated     = "ReplicaSetUpdated"
	reasonComplete    = "NewReplicaSetAvailable"
	reasonFound       = "FoundNewReplicaSet"
	reasonTimedOut    = "ProgressDeadlineExceeded"
	reasonPaused      = "DeploymentPaused"
	reasonResumed     = "DeploymentResumed"
)

// status counts pods and says whether enough of them are available.
func (r *rollout) status() appsv1.DeploymentStatus {
	out := appsv1.DeploymentStatus{
		ObservedGeneration: r.Generation, CollisionCount: r.Status.CollisionCount, Conditions: r.Status.Conditions,
	}
	terminating := int32(0)
	for _, rs := range r.everySet() {
		out.Replicas += rs.Status.Replicas
		out.ReadyReplicas += rs.Status.ReadyReplicas
		out.AvailableReplicas += rs.Status.AvailableReplicas
		terminating += ptr.Deref(rs.Status.TerminatingReplicas, 0)
	}
	out.TerminatingReplicas = &terminating
	if r.now != nil {
		out.UpdatedReplicas = r.now.Status.Replicas
	}
	out.UnavailableReplicas = max(sizes(r.everySet())-out.AvailableReplicas, 0)
	_, missing := r.bounds()
	r.Status.Conditions = out.Conditions
	if out.AvailableReplicas >= *r.Spec.Replicas-missing {
		r.setCondition(appsv1.DeploymentAvailable, corev1.ConditionTrue, reasonAvailable, "Deployment has minimum availability.")
	} else {
		r.setCondition(appsv1.DeploymentAvailable, corev1.ConditionFalse, reasonUnavailable, "Deployment does not have minimum availability.")
	}
	out.Conditions = r.Status.Conditions
	return out
}

// complete tells whether the rollout has come to its end.
func (r *rollout) complete(s *appsv1.DeploymentStatus) bool {
	return s.UpdatedReplicas == *r.Spec.Replicas && s.Replicas == *r.Spec.Replicas && s.AvailableReplicas == *r.Spec.Replicas && s.ObservedGeneration >= r.Generation
}

func (r *rollout) hasDeadline() bool {
	return r.Spec.ProgressDeadlineSeconds != nil && *r.Spec.ProgressDeadlineSeconds != 1<<31-1
}

// progress says how the rollout is going; left is when to look again whether it
// has taken too long.
func (r *rollout) progress(s *appsv1.DeploymentStatus) (left time.Duration) {
	r.Status.Conditions = s.Conditions
	defer func() { s.Conditions = r.Status.Conditions }()
	if !r.hasDeadline() {
		r.dropCondition(appsv1.DeploymentProgressing)
	}
	was := r.condition(appsv1.DeploymentProgressing)
	over := s.Replicas == s.UpdatedReplicas && was != nil && was.Reason == reasonComplete
	name := ""
	if r.now != nil {
		name = r.now.Name
	}
	if r.hasDeadline() && !over && r.DeletionTimestamp == nil {
		switch {
		case r.complete(s):
			message := fmt.Sprintf("Deployment %q has successfully progressed.", r.Name)
			if name != "" {
				message = fmt.Sprintf("ReplicaSet %q has successfully progressed.", name)
			}
			r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonComplete, message)
		case r.moved(s):
			message := fmt.Sprintf("Deployment %q is progressing.", r.Name)
			if name != "" {
				message = fmt.Sprintf("ReplicaSet %q is progressing.", name)
			}
			since := metav1.Time{}
			if was != nil && was.Status == corev1.ConditionTrue {
				since = was.LastTransitionTime
			}
			r.dropCondition(appsv1.DeploymentProgressing)
			r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonUpdated, message)
			if !since.IsZero() {
				r.condition(appsv1.DeploymentProgressing).LastTransitionTime = since
			}
		case r.timedOut(was):
			message := fmt.Sprintf("Deployment %q has timed out progressing.", r.Name)
			if name != "" {
				message = fmt.Sprintf("ReplicaSet %q has timed out progressing.", name)
			}
			r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonTimedOut, message)
		}
	}
	r.failures()
	if was = r.condition(appsv1.DeploymentProgressing); r.hasDeadline() && !r.Spec.Paused && was != nil && !r.complete(s) && was.Reason != reasonTimedOut {
		deadline := was.LastUpdateTime.Add(time.Duration(*r.Spec.ProgressDeadlineSeconds) * time.Second)
		left = max(deadline.Sub(r.Clock()), 0) + time.Second
	}
	return left
}

// moved tells whether there are more new or fewer old pods than before, or more
// that are ready.
func (r *rollout) moved(s *appsv1.DeploymentStatus) bool {
	was := &r.seen
	return s.UpdatedReplicas > was.UpdatedReplicas || s.Replicas-s.UpdatedReplicas < was.Replicas-was.UpdatedReplicas ||
		s.ReadyReplicas > was.ReadyReplicas || s.AvailableReplicas > was.AvailableReplicas
}

func (r *rollout) timedOut(was *appsv1.DeploymentCondition) bool {
	if was == nil || was.Reason == reasonComplete || was.Reason == reasonPaused {
		return false
	}
	if was.Reason == reasonTimedOut {
		return true
	}
	return r.Clock().After(was.LastUpdateTime.Add(time.Duration(*r.Spec.ProgressDeadlineSeconds) * time.Second))
}

// failures hands on what a ReplicaSet cannot do.
func (r *rollout) failures() {
	for _, rs := range slices.Backward(r.everySet()) {
		for _, k := range rs.Status.Conditions {
			if k.Type == appsv1.ReplicaSetReplicaFailure {
				r.setCondition(appsv1.DeploymentReplicaFailure, k.Status, k.Reason, k.Message)
				return
			}
		}
	}
	r.dropCondition(appsv1.DeploymentReplicaFailure)
}

// markPause says that a Deployment is paused or goes on, so that the time of the
// pause does not count.
func (r *rollout) markPause() {
	if !r.hasDeadline() {
		return
	}
	was := r.condition(appsv1.DeploymentProgressing)
	if was != nil && was.Reason == reasonTimedOut {
		return
	}
	paused := was != nil && was.Reason == reasonPaused
	switch {
	case r.Spec.Paused && !paused:
		r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonPaused, "Deployment is paused")
	case !r.Spec.Paused && paused:
		r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonResumed, "Deployment is resumed")
	}
}

// madeProgress and foundProgress say that there is a new ReplicaSet.
func (r *rollout) madeProgress(reason, message string) {
	if r.hasDeadline() {
		r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionTrue, reason, message)
	}
}

func (r *rollout) foundProgress(name string) {
	if r.hasDeadline() && r.condition(appsv1.DeploymentProgressing) == nil {
		r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonFound, fmt.Sprintf("Found new replica set %q", name))
	}
}

func (r *rollout) condition(kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range r.Status.Conditions {
		if r.Status.Conditions[i].Type == kind {
			return &r.Status.Conditions[i]
		}
	}
	return nil
}

func (r *rollout) dropCondition(kind appsv1.DeploymentConditionType) {
	r.Status.Conditions = slices.DeleteFunc(slices.Clone(r.Status.Conditions), func(k appsv1.DeploymentCondition) bool { return k.Type == kind })
}

// setCondition sets a condition unless it is like that already; the time of the
// transition changes with its status only.
func (r *rollout) setCondition(kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) {
	now := metav1.NewTime(r.Clock())
	next := appsv1.DeploymentCondition{Type: kind, Status: status, Reason: reason, Message: message, LastUpdateTime: now, LastTransitionTime: now}
	if was := r.condition(kind); was != nil {
		if was.Status == status && was.Reason == reason {
			return
		}
		if was.Status == status {
			next.LastTransitionTime = was.LastTransitionTime
		}
	}
	r.dropCondition(kind)
	r.Status.Conditions = append(r.Status.Conditions, next)
}

// sameStatus compares what a status says, whatever the order of its conditions.
func sameStatus(a, b *appsv1.DeploymentStatus) bool {
	sorted := func(s *appsv1.DeploymentStatus) *appsv1.DeploymentStatus {
		s = s.DeepCopy()
		slices.SortFunc(s.Conditions, func(a, b appsv1.DeploymentCondition) int {
			if a.Type < b.Type {
				return -1
			}
			return 1
		})
		return s
	}
	return equality.Semantic.DeepEqual(sorted(a), sorted(b))
}
