package quota

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	resourcehelper "k8s.io/component-helpers/resource"
)

var podCount = countName("", "pods")

// podNames are the names that pods use besides huge pages and extended resources.
var podNames = sets.New(
	podCount, corev1.ResourcePods,
	corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage,
	corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsEphemeralStorage,
	corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage,
)

// mustBeNamed are those that every container has to say something about when a
// quota counts them.
var mustBeNamed = sets.New(
	corev1.ResourceCPU, corev1.ResourceMemory,
	corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory,
	corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory,
)

func podEvaluator(clock registry.Clock) *evaluator {
	return &evaluator{
		resource: "pods",
		handles: func(op admission.Operation, subresource string) bool {
			return created(op, subresource) || op == admission.Update && subresource == "resize"
		},
		counts:  countsPods,
		use:     func(obj runtime.Object) corev1.ResourceList { return podUse(obj, clock) },
		inScope: podInScope,
		lacks:   podLacks,
	}
}

func countsPods(name corev1.ResourceName) bool {
	return podNames.Has(name) ||
		hasPrefix(name, corev1.ResourceHugePagesPrefix) || hasPrefix(name, corev1.ResourceRequestsHugePagesPrefix) ||
		hasPrefix(name, corev1.DefaultResourceRequestsPrefix) && !validate.IsNativeResource(name)
}

// podUse is what a pod uses: one that has ended, or that a lost node keeps from
// ending, counts as an object only.
func podUse(obj runtime.Object, clock registry.Clock) corev1.ResourceList {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil
	}
	use := corev1.ResourceList{podCount: one()}
	if podEnded(pod, clock) {
		return use
	}
	o := resourcehelper.PodResourcesOptions{UseStatusResources: true}
	addTo(use, computeUse(resourcehelper.PodRequests(pod, o), resourcehelper.PodLimits(pod, o)))
	return use
}

func podEnded(pod *corev1.Pod, clock registry.Clock) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil {
		return false
	}
	grace := time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
	return clock().After(pod.DeletionTimestamp.Add(grace))
}

// computeUse names requests and limits as quotas do.
func computeUse(requests, limits corev1.ResourceList) corev1.ResourceList {
	use := corev1.ResourceList{corev1.ResourcePods: one()}
	for name, q := range requests {
		asked := corev1.DefaultResourceRequestsPrefix + name
		switch {
		case name == corev1.ResourceCPU, name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage,
			hasPrefix(name, corev1.ResourceHugePagesPrefix):
			use[name], use[asked] = q, q
		case validate.IsExtendedResource(name):
			use[asked] = q
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if q, there := limits[name]; there {
			use["limits."+name] = q
		}
	}
	return use
}

// podLacks names the containers that leave out what they have to name.
func podLacks(required []corev1.ResourceName, obj runtime.Object) string {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return ""
	}
	missing := map[corev1.ResourceName][]string{}
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			use := computeUse(list[i].Resources.Requests, list[i].Resources.Limits)
			for _, name := range required {
				if _, there := use[name]; !there && mustBeNamed.Has(name) {
					missing[name] = append(missing[name], list[i].Name)
				}
			}
		}
	}
	if len(missing) == 0 {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		slices.Sort(missing[name])
		parts = append(parts, string(name)+" for: "+strings.Join(slices.Compact(missing[name]), ","))
	}
	return "must specify " + strings.Join(parts, "; ")
}

func podInScope(s *corev1.ScopedResourceSelectorRequirement, obj runtime.Object) bool {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return false
	}
	deadline := pod.Spec.ActiveDeadlineSeconds
	terminating := deadline != nil && *deadline >= 0
	switch s.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return terminating
	case corev1.ResourceQuotaScopeNotTerminating:
		return !terminating
	case corev1.ResourceQuotaScopeBestEffort:
		return podspec.QOSOf(pod) == corev1.PodQOSBestEffort
	case corev1.ResourceQuotaScopeNotBestEffort:
		return podspec.QOSOf(pod) != corev1.PodQOSBestEffort
	case corev1.ResourceQuotaScopePriorityClass:
		if s.Operator == corev1.ScopeSelectorOpExists {
			return pod.Spec.PriorityClassName != ""
		}
		return valueInScope(s, pod.Spec.PriorityClassName)
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return crossesNamespaces(pod)
	}
	return false
}

// crossesNamespaces tells whether a pod's affinity is about pods of other
// namespaces.
func crossesNamespaces(pod *corev1.Pod) bool {
	a := pod.Spec.Affinity
	if a == nil {
		return false
	}
	var terms []corev1.PodAffinityTerm
	var weighted []corev1.WeightedPodAffinityTerm
	if p := a.PodAffinity; p != nil {
		terms = append(terms, p.RequiredDuringSchedulingIgnoredDuringExecution...)
		weighted = append(weighted, p.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	if p := a.PodAntiAffinity; p != nil {
		terms = append(terms, p.RequiredDuringSchedulingIgnoredDuringExecution...)
		weighted = append(weighted, p.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	for i := range weighted {
		terms = append(terms, weighted[i].PodAffinityTerm)
	}
	return slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool {
		return len(t.Namespaces) > 0 || t.NamespaceSelector != nil
	})
}
