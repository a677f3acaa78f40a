package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
)

// QOSOf gives the quality of service class of a pod: the stored one, or what
// its resources make it.
func QOSOf(pod *v1.Pod) v1.PodQOSClass {
	if pod.Status.QOSClass != "" {
		return pod.Status.QOSClass
	}
	return ComputeQOS(&pod.Spec)
}

// ComputeQOS gives the class that resources make: Guaranteed when cpu and
// memory are limited everywhere and requests equal limits, BestEffort when
// there are neither, Burstable otherwise. A pod that has resources as a whole
// is judged by those.
func ComputeQOS(s *v1.PodSpec) v1.PodQOSClass {
	requests, limits := v1.ResourceList{}, v1.ResourceList{}
	limitedEverywhere := true
	if s.Resources != nil {
		addCompute(requests, s.Resources.Requests)
		limitedEverywhere = addCompute(limits, s.Resources.Limits).HasAll(v1.ResourceMemory, v1.ResourceCPU)
	} else {
		for _, list := range [][]v1.Container{s.Containers, s.InitContainers} {
			for i := range list {
				addCompute(requests, list[i].Resources.Requests)
				if !addCompute(limits, list[i].Resources.Limits).HasAll(v1.ResourceMemory, v1.ResourceCPU) {
					limitedEverywhere = false
				}
			}
		}
	}
	if len(requests) == 0 && len(limits) == 0 {
		return v1.PodQOSBestEffort
	}
	if !limitedEverywhere || len(requests) != len(limits) {
		return v1.PodQOSBurstable
	}
	for name, q := range requests {
		if limit, there := limits[name]; !there || limit.Cmp(q) != 0 {
			return v1.PodQOSBurstable
		}
	}
	return v1.PodQOSGuaranteed
}

// addCompute adds what is positive of cpu and memory to a total and gives which
// of them there were.
func addCompute(total, list v1.ResourceList) sets.Set[v1.ResourceName] {
	found := sets.Set[v1.ResourceName]{}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		q, there := list[name]
		if !there || q.Cmp(resource.Quantity{}) <= 0 {
			continue
		}
		found.Insert(name)
		sum := q.DeepCopy()
		if t, there := total[name]; there {
			sum.Add(t)
		}
		total[name] = sum
	}
	return found
}
