package plugins

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// podResizeValidator refuses new resources of a pod that its node could never
// give it.
type podResizeValidator struct {
	handler
	nodes *lookup[*corev1.Node]
}

func newPodResizeValidator(d *deps) (admission.Plugin, error) {
	return &podResizeValidator{handler{"PodResizeValidator", on(admission.Update, podsResize)}, newLookup[*corev1.Node](d.Registry, "", "nodes")}, nil
}

// Validate compares the pod with its node, when the pod has one and changes.
func (p *podResizeValidator) Validate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	old, ok := a.Old.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" || old.Generation == pod.Generation {
		return nil
	}
	node, ok := p.nodes.get("", pod.Spec.NodeName)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("node %q not found", pod.Spec.NodeName))
	}
	if lacking := tooMuchFor(node, pod); len(lacking) > 0 {
		return admission.Forbid(a, "Node didn't have enough allocatable resources: "+strings.Join(lacking, "; "))
	}
	if system := node.Labels[corev1.LabelOSStable]; system != "linux" {
		return admission.Forbid(a, fmt.Sprintf("pod resize is only supported on linux nodes, node %q is %q", node.Name, system))
	}
	return nil
}

// tooMuchFor tells which of the pod's requests are more than all of the node.
func tooMuchFor(node *corev1.Node, pod *corev1.Pod) []string {
	var lacking []string
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	if asked, has := requests.Cpu().MilliValue(), node.Status.Allocatable.Cpu().MilliValue(); asked > has {
		lacking = append(lacking, fmt.Sprintf("cpu, requested: %d, allocatable: %d", asked, has))
	}
	if asked, has := requests.Memory().Value(), node.Status.Allocatable.Memory().Value(); asked > has {
		lacking = append(lacking, fmt.Sprintf("memory, requested: %d, allocatable: %d", asked, has))
	}
	return lacking
}
