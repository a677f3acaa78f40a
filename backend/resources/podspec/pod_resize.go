package podspec

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidatePodResize gives what is wrong with an update through the resize
// subresource, which may change cpu and memory only.
func ValidatePodResize(pod, old *v1.Pod, o Options) field.ErrorList {
	errs := validatePod(pod, o)
	if _, mirror := old.Annotations[v1.MirrorPodAnnotationKey]; mirror {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods cannot be resized")}
	}
	if old.Spec.OS != nil && old.Spec.OS.Name == v1.Windows {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "windows pods cannot be resized")}
	}
	if QOSOf(old) != ComputeQOS(&pod.Spec) {
		errs = append(errs, field.Invalid(specPath, pod.Status.QOSClass, "Pod QOS Class may not change as a result of resizing"))
	}
	if !canResize(old) {
		errs = append(errs, field.Forbidden(specPath, "Pod running on node without support for resize"))
	}
	spec := pod.Spec.DeepCopy()
	if hasPodResources(old) || hasPodResources(pod) {
		errs = append(errs, resizePodResources(spec, &old.Spec)...)
	}
	if len(old.Status.NodeAllocatableResourceClaimStatuses) > 0 {
		errs = append(errs, field.Forbidden(specPath, "pods with node allocatable resource claims cannot be resized"))
	}
	if order := sameContainers(&pod.Spec, &old.Spec); len(order) > 0 {
		return append(errs, order...)
	}
	errs = append(errs, keptResources(&pod.Spec, &old.Spec)...)
	if len(errs) > 0 {
		return errs
	}
	if errs = onlyCompute(spec, &old.Spec); len(errs) > 0 {
		return errs
	}
	if !apiequality.Semantic.DeepEqual(*spec, old.Spec) {
		errs = append(errs, field.Forbidden(specPath, "only cpu and memory resources are mutable"))
	}
	return errs
}

// canResize tells whether the kubelet of a running pod reports what its
// containers have; one that doesn't could not resize them.
func canResize(pod *v1.Pod) bool {
	for i := range pod.Status.ContainerStatuses {
		if s := &pod.Status.ContainerStatuses[i]; s.State.Running != nil {
			return s.Resources != nil
		}
	}
	return true
}

func hasPodResources(pod *v1.Pod) bool {
	r := pod.Spec.Resources
	return r != nil && len(r.Requests)+len(r.Limits) > 0
}

// resizePodResources looks at the resources of the pod as a whole and sets cpu
// and memory of spec, a copy, to what they were.
func resizePodResources(spec, old *v1.PodSpec) field.ErrorList {
	path := specPath.Child("resources")
	var errs field.ErrorList
	if old.Resources != nil {
		if spec.Resources == nil {
			return field.ErrorList{field.Forbidden(path, "pod-level resources cannot be removed")}
		}
		if removed(spec.Resources.Requests, old.Resources.Requests) {
			errs = append(errs, field.Forbidden(path.Child("requests"), "pod-level resource requests cannot be removed"))
		}
		if removed(spec.Resources.Limits, old.Resources.Limits) {
			errs = append(errs, field.Forbidden(path.Child("limits"), "pod-level resource limits cannot be removed"))
		}
	}
	spec.Resources = withComputeOf(spec.Resources, old.Resources)
	if !apiequality.Semantic.DeepEqual(spec.Resources, old.Resources) {
		errs = append(errs, field.Forbidden(specPath, "only cpu and memory resources are mutable at pod-level"))
	}
	return errs
}

// withComputeOf gives requirements with cpu and memory of others.
func withComputeOf(r, old *v1.ResourceRequirements) *v1.ResourceRequirements {
	if r == nil && old == nil {
		return nil
	}
	if r == nil {
		r = &v1.ResourceRequirements{}
	}
	if old == nil {
		old = &v1.ResourceRequirements{}
	}
	return &v1.ResourceRequirements{
		Limits:   listWithComputeOf(r.Limits, old.Limits),
		Requests: listWithComputeOf(r.Requests, old.Requests),
		Claims:   r.Claims,
	}
}

func listWithComputeOf(list, old v1.ResourceList) v1.ResourceList {
	if list == nil && old == nil {
		return nil
	}
	out := v1.ResourceList{}
	for name, q := range list {
		out[name] = q
	}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		delete(out, name)
		if q, there := old[name]; there {
			out[name] = q
		}
	}
	return out
}

// removed tells whether a resource that was there is there no more.
func removed(list, old v1.ResourceList) bool {
	for name := range old {
		if _, there := list[name]; !there {
			return true
		}
	}
	return false
}

// sameContainers refuses containers that come, go, move or change names.
func sameContainers(spec, old *v1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for _, l := range []struct {
		name     string
		new, old []v1.Container
	}{
		{"containers", spec.Containers, old.Containers},
		{"initContainers", spec.InitContainers, old.InitContainers},
	} {
		path := specPath.Child(l.name)
		if len(l.new) != len(l.old) {
			errs = append(errs, field.Forbidden(path, l.name+" may not be added or removed on resize"))
			continue
		}
		for i := range l.old {
			if l.new[i].Name != l.old[i].Name {
				errs = append(errs, field.Forbidden(path.Index(i).Child("name"), l.name+" may not be renamed or reordered on resize"))
			}
		}
	}
	return errs
}

// keptResources refuses requests and limits that go away.
func keptResources(spec, old *v1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for i := range old.InitContainers {
		if isSidecar(&old.InitContainers[i]) {
			errs = append(errs, resizeContainer(&spec.InitContainers[i], &old.InitContainers[i], specPath.Child("initContainers").Index(i).Child("resources"))...)
		}
	}
	for i := range old.Containers {
		errs = append(errs, resizeContainer(&spec.Containers[i], &old.Containers[i], specPath.Child("containers").Index(i).Child("resources"))...)
	}
	return errs
}

// onlyCompute refuses changes of containers beside their cpu and memory, which
// it sets in spec, a copy, to what they were.
func onlyCompute(spec, old *v1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	for i := range spec.Containers {
		c, was := &spec.Containers[i], &old.Containers[i]
		resetCompute(c, was)
		if !apiequality.Semantic.DeepEqual(*c, *was) {
			errs = append(errs, field.Forbidden(specPath, "only cpu and memory resources are mutable"))
		}
	}
	for i := range spec.InitContainers {
		c, was := &spec.InitContainers[i], &old.InitContainers[i]
		if !isSidecar(c) {
			if !apiequality.Semantic.DeepEqual(*c, *was) {
				errs = append(errs, field.Forbidden(specPath, "resources for non-sidecar init containers are immutable"))
			}
			continue
		}
		resetCompute(c, was)
		if !apiequality.Semantic.DeepEqual(*c, *was) {
			errs = append(errs, field.Forbidden(specPath.Child("initContainers").Index(i), "only cpu and memory resources for init or sidecar containers are mutable"))
		}
	}
	return errs
}

// resetCompute sets cpu and memory to what they were.
func resetCompute(c, old *v1.Container) { c.Resources = *withComputeOf(&c.Resources, &old.Resources) }

// resizeContainer refuses requests and limits that go away.
func resizeContainer(c, old *v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if removed(c.Resources.Requests, old.Resources.Requests) {
		errs = append(errs, field.Forbidden(path.Child("requests"), "resource requests cannot be removed"))
	}
	if removed(c.Resources.Limits, old.Resources.Limits) {
		errs = append(errs, field.Forbidden(path.Child("limits"), "resource limits cannot be removed"))
	}
	return errs
}

// KeepOnlyResize undoes everything of an update through the resize subresource
// but resources and resize policies. An update that adds, removes or renames
// containers stays, for validation to refuse.
func KeepOnlyResize(pod, old *v1.Pod) {
	if len(pod.Spec.Containers) != len(old.Spec.Containers) || len(pod.Spec.InitContainers) != len(old.Spec.InitContainers) {
		return
	}
	containers := keepResources(pod.Spec.Containers, old.Spec.Containers)
	initContainers := keepResources(pod.Spec.InitContainers, old.Spec.InitContainers)
	resources := pod.Spec.Resources
	pod.Spec = *old.Spec.DeepCopy()
	pod.Spec.Containers, pod.Spec.InitContainers, pod.Spec.Resources = containers, initContainers, resources
	pod.Status = *old.Status.DeepCopy()
}

func sameNames(containers, old []v1.Container) bool {
	return slices.EqualFunc(containers, old, func(a, b v1.Container) bool { return a.Name == b.Name })
}

func keepResources(containers, old []v1.Container) []v1.Container {
	if !sameNames(containers, old) {
		return containers
	}
	out := make([]v1.Container, len(old))
	for i := range old {
		old[i].DeepCopyInto(&out[i])
		out[i].Resources = containers[i].Resources
		out[i].ResizePolicy = containers[i].ResizePolicy
	}
	return out
}
