package podspec

import (
	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// roundUp rounds quantities up to thousandths, the smallest that Kubernetes
// keeps.
func roundUp(list v1.ResourceList) {
	for name, q := range list {
		if exact := q.RoundUp(resource.Milli); !exact {
			list[name] = q
		}
	}
}

// RoundUp rounds quantities up to thousandths, as Kubernetes does wherever it
// keeps a list of resources.
func RoundUp(list v1.ResourceList) { roundUp(list) }

// requestsFromLimits requests what is limited and not requested.
func requestsFromLimits(r *v1.ResourceRequirements) {
	if r.Limits == nil {
		return
	}
	if r.Requests == nil {
		r.Requests = make(v1.ResourceList, len(r.Limits))
	}
	for name, q := range r.Limits {
		if _, there := r.Requests[name]; !there {
			r.Requests[name] = q.DeepCopy()
		}
	}
}

// setPodResources completes resources at the level of the pod, where the pod
// states some of them: limits of huge pages from the containers' limits,
// requests from the containers' requests and then from the pod's limits.
func setPodResources(pod *v1.Pod) {
	r := pod.Spec.Resources
	if r == nil || len(r.Limits)+len(r.Requests) == 0 {
		return
	}
	setPodHugePageLimits(pod, r)
	setPodRequests(pod, r)
}

func setPodHugePageLimits(pod *v1.Pod, r *v1.ResourceRequirements) {
	for name, q := range resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{}) {
		if !validate.IsHugePageResource(name) {
			continue
		}
		_, requested := r.Requests[name]
		_, limited := r.Limits[name]
		if requested || limited {
			continue
		}
		if r.Limits == nil {
			r.Limits = v1.ResourceList{}
		}
		r.Limits[name] = q.DeepCopy()
	}
}

func setPodRequests(pod *v1.Pod, r *v1.ResourceRequirements) {
	if len(r.Limits) == 0 {
		return
	}
	request := func(name v1.ResourceName, q resource.Quantity) {
		if _, there := r.Requests[name]; there || !resourcehelper.IsSupportedPodLevelResource(name) {
			return
		}
		if r.Requests == nil {
			r.Requests = v1.ResourceList{}
		}
		r.Requests[name] = q.DeepCopy()
	}
	for name, q := range resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{}) {
		if validate.IsOvercommitAllowed(name) {
			request(name, q)
		}
	}
	for name, q := range r.Limits {
		request(name, q)
	}
}
