package logs

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Pick names pods: those of one namespace, or with an empty one those of many.
// The Picks of a Query have no pod together.
type Pick struct {
	Namespace string
	// Namespaces are the only ones of a Pick of many, with Except all but them.
	Namespaces []string
	Except     bool
	// Pod is the name of the one pod; then the Pick has nothing else.
	Pod string
	// Node is the name of the one node whose pods they are.
	Node string
	// Selectors and Pods select pods by labels and by name, CronJobs, which are
	// UIDs, those of their Jobs: pods that any of them selects. Without all of
	// them it is every pod.
	Selectors []string
	Pods      []string
	CronJobs  []string
}

// picker is a Pick that has been read.
type picker struct {
	Pick
	selectors []labels.Selector
	jobs      map[types.UID]bool // whether they are of the CronJobs
}

func readPicks(picks []Pick) ([]*picker, error) {
	var list []*picker
	for _, p := range picks {
		one := &picker{Pick: p, jobs: map[types.UID]bool{}}
		for _, s := range p.Selectors {
			selector, err := labels.Parse(s)
			if err != nil {
				return nil, fmt.Errorf("read the selector %q of a log: %w", s, err)
			}
			one.selectors = append(one.selectors, selector)
		}
		list = append(list, one)
	}
	return list, nil
}

// options ask the API for as little as can be said in one request.
func (p *picker) options() metav1.ListOptions {
	switch {
	case p.Pod != "":
		return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", p.Pod).String()}
	case p.Node != "":
		return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", p.Node).String()}
	case len(p.CronJobs) > 0 && len(p.Selectors)+len(p.Pods) == 0:
		return metav1.ListOptions{LabelSelector: batchv1.JobNameLabel}
	case len(p.Selectors) == 1 && len(p.Pods)+len(p.CronJobs) == 0:
		return metav1.ListOptions{LabelSelector: p.Selectors[0]}
	}
	return metav1.ListOptions{}
}

// wants tells whether a pod that the API gave is one of those.
func (p *picker) wants(pod *corev1.Pod) bool {
	if p.Namespace == "" && len(p.Namespaces) > 0 && slices.Contains(p.Namespaces, pod.Namespace) == p.Except {
		return false
	}
	if p.Pod != "" {
		return pod.Name == p.Pod
	}
	if p.Node != "" {
		return pod.Spec.NodeName == p.Node
	}
	if len(p.Selectors)+len(p.Pods)+len(p.CronJobs) == 0 || slices.Contains(p.Pods, pod.Name) {
		return true
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && p.jobs[owner.UID] {
		return true
	}
	return slices.ContainsFunc(p.selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(pod.Labels)) })
}

// slim is what has to be known of a pod; a feed may have thousands.
func slim(p *corev1.Pod) *corev1.Pod {
	named := func(list []corev1.Container) []corev1.Container {
		var out []corev1.Container
		for _, c := range list {
			out = append(out, corev1.Container{Name: c.Name})
		}
		return out
	}
	s := &corev1.Pod{}
	s.Name, s.Namespace, s.UID, s.CreationTimestamp = p.Name, p.Namespace, p.UID, p.CreationTimestamp
	s.Spec.InitContainers, s.Spec.Containers = named(p.Spec.InitContainers), named(p.Spec.Containers)
	for _, c := range p.Spec.EphemeralContainers {
		s.Spec.EphemeralContainers = append(s.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: c.Name}})
	}
	s.Status.Phase, s.Status.ContainerStatuses = p.Status.Phase, p.Status.ContainerStatuses
	s.Status.InitContainerStatuses, s.Status.EphemeralContainerStatuses = p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses
	return s
}
