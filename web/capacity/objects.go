package capacity

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// meta are the fields of an object's metadata that are kept.
type meta struct{ Name, Namespace, ResourceVersion string }

// GetName gives the object's name.
func (m *meta) GetName() string { return m.Name }

// GetNamespace gives its namespace.
func (m *meta) GetNamespace() string { return m.Namespace }

// GetResourceVersion gives its version.
func (m *meta) GetResourceVersion() string { return m.ResourceVersion }

// pod is what is kept of a pod.
type pod struct {
	meta
	node             string
	ended            bool
	requests, limits Amounts
}

// container has what counts of a container, under the names of corev1.
type container struct {
	Name          string                         `json:"name"`
	Resources     corev1.ResourceRequirements    `json:"resources"`
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy"`
}

func containersOf(list []container) []corev1.Container {
	out := make([]corev1.Container, len(list))
	for i, c := range list {
		out[i] = corev1.Container{Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy}
	}
	return out
}

// UnmarshalJSON reads a pod, and sums up as the scheduler does.
func (p *pod) UnmarshalJSON(raw []byte) error {
	var o struct {
		Metadata meta `json:"metadata"`
		Spec     struct {
			NodeName       string                       `json:"nodeName"`
			Overhead       corev1.ResourceList          `json:"overhead"`
			Resources      *corev1.ResourceRequirements `json:"resources"`
			InitContainers []container                  `json:"initContainers"`
			Containers     []container                  `json:"containers"`
		} `json:"spec"`
		Status struct {
			Phase corev1.PodPhase `json:"phase"`
		} `json:"status"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	whole := &corev1.Pod{Spec: corev1.PodSpec{
		Overhead: o.Spec.Overhead, Resources: o.Spec.Resources, InitContainers: containersOf(o.Spec.InitContainers), Containers: containersOf(o.Spec.Containers),
	}}
	*p = pod{meta: o.Metadata, node: o.Spec.NodeName, ended: o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed}
	p.requests = amounts(resourcehelper.PodRequests(whole, resourcehelper.PodResourcesOptions{}))
	p.limits = amounts(resourcehelper.PodLimits(whole, resourcehelper.PodResourcesOptions{}))
	p.requests.Pods, p.limits.Pods = 1, 1
	return nil
}

func amounts(list corev1.ResourceList) Amounts {
	return Amounts{CPU: list.Cpu().MilliValue(), Memory: list.Memory().Value(), Pods: list.Pods().Value()}
}

// node is what is kept of a node.
type node struct {
	meta
	allocatable Amounts
}

// UnmarshalJSON reads a node.
func (n *node) UnmarshalJSON(raw []byte) error {
	var o struct {
		Metadata meta `json:"metadata"`
		Status   struct {
			Allocatable corev1.ResourceList `json:"allocatable"`
		} `json:"status"`
	}
	err := json.Unmarshal(raw, &o)
	*n = node{meta: o.Metadata, allocatable: amounts(o.Status.Allocatable)}
	return err
}
