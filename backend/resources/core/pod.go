package core

import (
	"context"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podResource is pods. What their specs may say is in package podspec, what
// lies below their paths in pod_*.go.
func podResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "pods",
		Singular:   "pod",
		Kind:       "Pod",
		ShortNames: []string{"po"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.Pod{} },
			Default: registry.Typed(podspec.SetPodDefaults),
		}},
		Strategy:      podStrategy(env).Strategy(),
		Columns:       podColumns,
		Cells:         registry.Row(podCells),
		RowConditions: podRowConditions,
		Fields:        podFields(),
		Subresources:  podSubresources(env),
	}
}

func podStrategy(env *registry.Env) registry.For[*corev1.Pod] {
	return registry.For[*corev1.Pod]{
		ValidatesMetaOnUpdate: 1,
		PrepareForCreate:      preparePodForCreate,
		Validate: func(_ context.Context, pod *corev1.Pod) field.ErrorList {
			return podspec.ValidatePodCreate(pod, podspec.ForCreate(env.AllowPrivileged))
		},
		WarningsOnCreate: func(_ context.Context, pod *corev1.Pod) []string { return podspec.PodWarnings(pod) },
		PrepareForUpdate: func(_ context.Context, pod, old *corev1.Pod) {
			pod.Status = old.Status
			podspec.DropGated(&pod.Spec)
			raisePodGeneration(pod, old)
		},
		ValidateUpdate: func(_ context.Context, pod, old *corev1.Pod) field.ErrorList {
			return podspec.ValidatePodUpdate(pod, old, podUpdateOptions(env, old))
		},
		Grace:               podGrace,
		DeleteReturnsObject: true,
		ResetFields:         map[string][]string{"v1": {"status"}},
	}
}

func podUpdateOptions(env *registry.Env, old *corev1.Pod) podspec.Options {
	return podspec.ForUpdate(env.AllowPrivileged, &old.Spec, &old.ObjectMeta)
}

func preparePodForCreate(ctx context.Context, pod *corev1.Pod) {
	pod.Generation = 1
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: podspec.QOSOf(pod)}
	podspec.DropGated(&pod.Spec)
	if len(pod.Spec.SchedulingGates) > 0 {
		pod.Status.Conditions = []corev1.PodCondition{{
			Type:    corev1.PodScheduled,
			Status:  corev1.ConditionFalse,
			Reason:  corev1.PodReasonSchedulingGated,
			Message: "Scheduling is blocked due to non-empty scheduling gates",
			// The pod is made now.
			LastTransitionTime: pod.CreationTimestamp,
		}}
	}
	podspec.MergeLabelKeys(pod)
	for _, warning := range podspec.SyncAppArmor(pod) {
		request.From(ctx).Warn(warning)
	}
}

// raisePodGeneration counts changes of the spec.
func raisePodGeneration(pod, old *corev1.Pod) {
	pod.Generation = old.Generation
	if !apiequality.Semantic.DeepEqual(pod.Spec, old.Spec) {
		pod.Generation++
	}
}

// podGrace gives a pod the time that the caller or the pod's spec grants. A pod
// that no node has, or that has ended, needs none.
func podGrace(_ context.Context, pod *corev1.Pod, options *metav1.DeleteOptions) bool {
	period := int64(0)
	switch {
	case options.GracePeriodSeconds != nil:
		period = *options.GracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		period = *pod.Spec.TerminationGracePeriodSeconds
	}
	if pod.Spec.NodeName == "" || podEnded(pod) {
		period = 0
	}
	if period < 0 {
		period = 1
	}
	options.GracePeriodSeconds = &period
	return true
}

func podEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func podFields() []registry.Field {
	nodeName := registry.FieldOf("spec.nodeName", func(p *corev1.Pod) string { return p.Spec.NodeName })
	host := nodeName
	nodeName.Index = true
	host.Name, host.Reads = "spec.host", []string{"spec.nodeName"} // what it was called once
	return []registry.Field{
		nodeName,
		host,
		registry.FieldOf("spec.restartPolicy", func(p *corev1.Pod) string { return string(p.Spec.RestartPolicy) }),
		registry.FieldOf("spec.schedulerName", func(p *corev1.Pod) string { return p.Spec.SchedulerName }),
		registry.FieldOf("spec.serviceAccountName", func(p *corev1.Pod) string { return p.Spec.ServiceAccountName }),
		registry.FieldOf("spec.hostNetwork", func(p *corev1.Pod) string { return strconv.FormatBool(p.Spec.HostNetwork) }),
		registry.FieldOf("status.phase", func(p *corev1.Pod) string { return string(p.Status.Phase) }),
		registry.FieldOf("status.podIP", func(p *corev1.Pod) string { return p.Status.PodIP }),
		// Kubernetes takes the name and never gives it a value.
		registry.FieldOf("status.podIPs", func(p *corev1.Pod) string { return "" }),
		registry.FieldOf("status.nominatedNodeName", func(p *corev1.Pod) string { return p.Status.NominatedNodeName }),
		registry.ByController(),
	}
}
