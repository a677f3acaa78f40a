package e2e

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// playCluster does what controllers and kubelets would do to the status of
// workloads, so that tools that wait for them go on: Deployments and
// StatefulSets are ready, Jobs and Pods succeed.
func playCluster(t *testing.T, p *process) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := client(t, p)
	factory := informers.NewSharedInformerFactory(c, time.Second) // what failed is done again
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	handle := func(i cache.SharedIndexInformer, f func(obj any)) {
		if _, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, obj any) { f(obj) }}); err != nil {
			t.Fatal(err)
		}
	}
	var options metav1.UpdateOptions
	handle(factory.Apps().V1().Deployments().Informer(), func(obj any) {
		d := obj.(*appsv1.Deployment).DeepCopy()
		if n := *d.Spec.Replicas; d.Status.ObservedGeneration != d.Generation || d.Status.ReadyReplicas != n {
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
				Conditions: []appsv1.DeploymentCondition{
					{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"},
					{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
				}}
			c.AppsV1().Deployments(d.Namespace).UpdateStatus(ctx, d, options) //nolint:errcheck // it comes again
		}
	})
	handle(factory.Apps().V1().StatefulSets().Informer(), func(obj any) {
		s := obj.(*appsv1.StatefulSet).DeepCopy()
		if n := *s.Spec.Replicas; s.Status.ObservedGeneration != s.Generation || s.Status.ReadyReplicas != n {
			s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: n, ReadyReplicas: n, CurrentReplicas: n, UpdatedReplicas: n, AvailableReplicas: n,
				CurrentRevision: "1", UpdateRevision: "1"}
			c.AppsV1().StatefulSets(s.Namespace).UpdateStatus(ctx, s, options) //nolint:errcheck // it comes again
		}
	})
	handle(factory.Batch().V1().Jobs().Informer(), func(obj any) {
		j := obj.(*batchv1.Job).DeepCopy()
		if j.Status.CompletionTime == nil {
			now := metav1.Now()
			j.Status = batchv1.JobStatus{StartTime: &now, CompletionTime: &now, Succeeded: 1, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
				Conditions: []batchv1.JobCondition{
					{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, Reason: "CompletionsReached", LastProbeTime: now, LastTransitionTime: now},
					{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, Reason: "CompletionsReached", LastProbeTime: now, LastTransitionTime: now},
				}}
			c.BatchV1().Jobs(j.Namespace).UpdateStatus(ctx, j, options) //nolint:errcheck // it comes again
		}
	})
	handle(factory.Core().V1().Pods().Informer(), func(obj any) {
		pod := obj.(*corev1.Pod).DeepCopy()
		if pod.Status.Phase != corev1.PodSucceeded {
			pod.Status.Phase = corev1.PodSucceeded
			c.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, options) //nolint:errcheck // it comes again
		}
	})
	handle(factory.Core().V1().PersistentVolumeClaims().Informer(), func(obj any) {
		claim := obj.(*corev1.PersistentVolumeClaim).DeepCopy()
		if claim.Status.Phase != corev1.ClaimBound {
			claim.Status.Phase = corev1.ClaimBound
			c.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, options) //nolint:errcheck // it comes again
		}
	})
	factory.Start(ctx.Done())
}
