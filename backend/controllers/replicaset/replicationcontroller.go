package replicaset

import (
	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var controllers = family[*corev1.ReplicationController]{
	Kind: workload.Kind{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		Resource:         corev1.SchemeGroupVersion.WithResource("replicationcontrollers"),
	},
	component: "replication-controller",
	set:       asSet,
	with:      withStatus,
}

// asSet gives a ReplicationController as a ReplicaSet.
func asSet(rc *corev1.ReplicationController) *appsv1.ReplicaSet {
	rs := &appsv1.ReplicaSet{
		ObjectMeta: rc.ObjectMeta,
		Spec: appsv1.ReplicaSetSpec{
			Replicas: ptr.To(ptr.Deref(rc.Spec.Replicas, 0)), MinReadySeconds: rc.Spec.MinReadySeconds,
			Selector: &metav1.LabelSelector{MatchLabels: rc.Spec.Selector},
		},
		Status: appsv1.ReplicaSetStatus{
			Replicas: rc.Status.Replicas, FullyLabeledReplicas: rc.Status.FullyLabeledReplicas, ReadyReplicas: rc.Status.ReadyReplicas,
			AvailableReplicas: rc.Status.AvailableReplicas, ObservedGeneration: rc.Status.ObservedGeneration,
		},
	}
	if rc.Spec.Template != nil {
		rs.Spec.Template = *rc.Spec.Template
	}
	for _, k := range rc.Status.Conditions {
		rs.Status.Conditions = append(rs.Status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(k.Type), Status: k.Status, LastTransitionTime: k.LastTransitionTime, Reason: k.Reason, Message: k.Message,
		})
	}
	return rs
}

// withStatus gives a copy with the status that a ReplicaSet would have. A
// ReplicationController does not count the pods that are going.
func withStatus(rc *corev1.ReplicationController, s *appsv1.ReplicaSetStatus) *corev1.ReplicationController {
	next := rc.DeepCopy()
	next.Status = corev1.ReplicationControllerStatus{
		Replicas: s.Replicas, FullyLabeledReplicas: s.FullyLabeledReplicas, ReadyReplicas: s.ReadyReplicas,
		AvailableReplicas: s.AvailableReplicas, ObservedGeneration: s.ObservedGeneration,
	}
	for _, k := range s.Conditions {
		next.Status.Conditions = append(next.Status.Conditions, corev1.ReplicationControllerCondition{
			Type: corev1.ReplicationControllerConditionType(k.Type), Status: k.Status, LastTransitionTime: k.LastTransitionTime, Reason: k.Reason, Message: k.Message,
		})
	}
	return next
}
