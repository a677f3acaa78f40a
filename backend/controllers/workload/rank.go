package workload

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"pilothouse/backend/controllers/pods"

	corev1 "k8s.io/api/core/v1"
)

// SortForDeletion puts the pods first that are missed least, in Kubernetes' order
// (https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset):
// those without a node, then by phase, readiness, the annotation
// controller.kubernetes.io/pod-deletion-cost, how many of related are on the same
// node, how short they are ready, restarts and age.
func SortForDeletion(list, related []*corev1.Pod, now time.Time) {
	together := map[string]int{}
	for _, p := range related {
		if pods.Active(p) && p.Spec.NodeName != "" {
			together[p.Spec.NodeName]++
		}
	}
	slices.SortStableFunc(list, func(a, b *corev1.Pod) int {
		if n := cmp.Or(
			cmp.Compare(number(a.Spec.NodeName != ""), number(b.Spec.NodeName != "")),
			cmp.Compare(phases[a.Status.Phase], phases[b.Status.Phase]),
			cmp.Compare(number(pods.Ready(a)), number(pods.Ready(b))),
			cmp.Compare(cost(a), cost(b)),
			cmp.Compare(together[b.Spec.NodeName], together[a.Spec.NodeName]),
		); n != 0 {
			return n
		}
		if pods.Ready(a) && pods.Ready(b) {
			if n := cmp.Compare(logOf(readyFor(a, now)), logOf(readyFor(b, now))); n != 0 {
				return n
			}
		}
		return cmp.Or(cmp.Compare(restarts(b), restarts(a)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time))
	})
}

var phases = map[corev1.PodPhase]int{corev1.PodPending: 0, corev1.PodUnknown: 1, corev1.PodRunning: 2}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cost(p *corev1.Pod) int64 {
	n, err := strconv.ParseInt(p.Annotations[corev1.PodDeletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return n
}

func readyFor(p *corev1.Pod, now time.Time) time.Duration {
	return now.Sub(pods.Condition(p, corev1.PodReady).LastTransitionTime.Time)
}

// logOf makes times that are about as long the same.
func logOf(d time.Duration) float64 { return math.Floor(math.Log2(max(d.Seconds(), 1))) }

func restarts(p *corev1.Pod) int32 {
	var most int32
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			most = max(most, list[i].RestartCount)
		}
	}
	return most
}
