package core

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// streamVerbs are the verbs of a subresource that becomes a stream.
var streamVerbs = []string{"create", "get"}

// podSubresources are what lies below a pod's path. Those that stream are
// answered by env.Streams.
func podSubresources(env *registry.Env) []registry.Subresource {
	status, ephemeral, resize := podStatusStrategy(env).Strategy(), podEphemeralStrategy(env).Strategy(), podResizeStrategy(env).Strategy()
	return []registry.Subresource{
		connecting(env, registry.Subresource{Name: "attach", Verbs: streamVerbs, Kind: "PodAttachOptions"}, streamMethods,
			newObject[corev1.PodAttachOptions](), func(s *registry.Streams) registry.Connect { return s.PodAttach }),
		{
			Name:   "binding",
			Verbs:  []string{"create"},
			Kind:   "Binding",
			New:    func() runtime.Object { return &corev1.Binding{} },
			Create: bindPod(env),
		},
		{Name: "ephemeralcontainers", Verbs: viewVerbs, Strategy: &ephemeral},
		{
			Name:         "eviction",
			Verbs:        []string{"create"},
			Kind:         "Eviction",
			GroupVersion: policyv1.SchemeGroupVersion,
			New:          func() runtime.Object { return &policyv1.Eviction{} },
			Create:       evictPod(env),
		},
		connecting(env, registry.Subresource{Name: "exec", Verbs: streamVerbs, Kind: "PodExecOptions"}, streamMethods,
			newObject[corev1.PodExecOptions](), func(s *registry.Streams) registry.Connect { return s.PodExec }),
		connecting(env, registry.Subresource{Name: "log", Verbs: []string{"get"}, Reads: true}, readMethods,
			newObject[corev1.PodLogOptions](), func(s *registry.Streams) registry.Connect { return s.PodLog }),
		connecting(env, registry.Subresource{Name: "portforward", Verbs: streamVerbs, Kind: "PodPortForwardOptions"}, streamMethods,
			newObject[corev1.PodPortForwardOptions](), func(s *registry.Streams) registry.Connect { return s.PodPortForward }),
		connecting(env, registry.Subresource{Name: "proxy", Verbs: proxyVerbs, Kind: "PodProxyOptions"}, proxyMethods,
			newObject[corev1.PodProxyOptions](), func(s *registry.Streams) registry.Connect { return s.PodProxy }),
		{Name: "resize", Verbs: viewVerbs, Strategy: &resize},
		{Name: "status", Verbs: viewVerbs, Strategy: &status},
	}
}

func podStatusStrategy(env *registry.Env) registry.For[*corev1.Pod] {
	return registry.For[*corev1.Pod]{
		PrepareForUpdate: func(_ context.Context, pod, old *corev1.Pod) {
			pod.Spec = old.Spec
			podspec.DropGatedStatus(&pod.Status)
			pod.DeletionTimestamp = nil
			// Kubelets of old would lose the owners.
			pod.OwnerReferences = old.OwnerReferences
			if pod.Status.QOSClass == "" {
				pod.Status.QOSClass = old.Status.QOSClass
			}
			keepObservedGenerations(&pod.Status, &old.Status)
		},
		ValidateUpdate: func(_ context.Context, pod, old *corev1.Pod) field.ErrorList {
			return podspec.ValidatePodStatusUpdate(pod, old, podUpdateOptions(env, old))
		},
		WarningsOnUpdate: func(_ context.Context, pod, _ *corev1.Pod) []string { return podspec.PodStatusWarnings(&pod.Status) },
		ResetFields:      map[string][]string{"v1": {"spec", "metadata.deletionTimestamp", "metadata.ownerReferences"}},
	}
}

// keepObservedGenerations keeps the generations that the status and its
// conditions were made for, where a client does not know of them. There may be
// several conditions of a type; they go by order.
func keepObservedGenerations(s, old *corev1.PodStatus) {
	if s.ObservedGeneration == 0 {
		s.ObservedGeneration = old.ObservedGeneration
	}
	generations := map[corev1.PodConditionType][]int64{}
	for i := range old.Conditions {
		c := &old.Conditions[i]
		generations[c.Type] = append(generations[c.Type], c.ObservedGeneration)
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		before := generations[c.Type]
		if len(before) == 0 {
			continue
		}
		generations[c.Type] = before[1:]
		if c.ObservedGeneration == 0 {
			c.ObservedGeneration = before[0]
		}
	}
}

func podEphemeralStrategy(env *registry.Env) registry.For[*corev1.Pod] {
	return registry.For[*corev1.Pod]{
		PrepareForUpdate: func(_ context.Context, pod, old *corev1.Pod) {
			containers := pod.Spec.EphemeralContainers
			pod.Spec = old.Spec
			pod.Spec.EphemeralContainers = containers
			pod.Status = old.Status
			metav1.ResetObjectMetaForStatus(&pod.ObjectMeta, &old.ObjectMeta)
			podspec.DropGated(&pod.Spec)
			raisePodGeneration(pod, old)
		},
		ValidateUpdate: func(_ context.Context, pod, old *corev1.Pod) field.ErrorList {
			return podspec.ValidateEphemeralContainersUpdate(pod, old, podUpdateOptions(env, old))
		},
	}
}

func podResizeStrategy(env *registry.Env) registry.For[*corev1.Pod] {
	return registry.For[*corev1.Pod]{
		PrepareForUpdate: func(_ context.Context, pod, old *corev1.Pod) {
			podspec.KeepOnlyResize(pod, old)
			metav1.ResetObjectMetaForStatus(&pod.ObjectMeta, &old.ObjectMeta)
			podspec.DropGated(&pod.Spec)
			raisePodGeneration(pod, old)
		},
		ValidateUpdate: func(_ context.Context, pod, old *corev1.Pod) field.ErrorList {
			return podspec.ValidatePodResize(pod, old, podUpdateOptions(env, old))
		},
	}
}
