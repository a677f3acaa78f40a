package statefulset

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// report writes the status. When all pods are of the new revision and ready, it is
// the current one.
func (s *set) report(ctx context.Context, read *appsv1.StatefulSet) error {
	st := appsv1.StatefulSetStatus{
		ObservedGeneration: s.Generation, CurrentRevision: s.current.Name, UpdateRevision: s.update.Name,
		CollisionCount: s.Status.CollisionCount, Conditions: s.Status.Conditions,
	}
	for _, p := range s.pods {
		st.Replicas++
		if p.Status.Phase == corev1.PodRunning && pods.Ready(p) {
			st.ReadyReplicas++
			if s.available(p) {
				st.AvailableReplicas++
			}
		}
		if p.DeletionTimestamp != nil {
			continue
		}
		if revisionOf(p) == s.current.Name {
			st.CurrentReplicas++
		}
		if revisionOf(p) == s.update.Name {
			st.UpdatedReplicas++
		}
	}
	if s.Spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType &&
		st.UpdatedReplicas == st.Replicas && st.ReadyReplicas == st.Replicas && st.Replicas == *s.Spec.Replicas {
		st.CurrentReplicas, st.CurrentRevision = st.UpdatedReplicas, st.UpdateRevision
	}
	if s.wait > 0 {
		s.Queue.AddAfter(loop.Key(s.StatefulSet), s.wait)
	}
	if equality.Semantic.DeepEqual(read.Status, st) {
		return nil
	}
	s.Status = st
	err := s.Client.UpdateSubresource(ctx, kind.Resource, "status", s.StatefulSet)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
