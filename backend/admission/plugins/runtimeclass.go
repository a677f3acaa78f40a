package plugins

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// runtimeClass gives pods the overhead and the scheduling of their runtime
// class, and refuses what contradicts it.
type runtimeClass struct {
	handler
	classes *lookup[*nodev1.RuntimeClass]
}

func newRuntimeClass(d *deps) (admission.Plugin, error) {
	return &runtimeClass{handler{"RuntimeClass", on(admission.Create, pods)}, newLookup[*nodev1.RuntimeClass](d.Registry, "node.k8s.io", "runtimeclasses")}, nil
}

// find gives a pod with its class, nil when it names none.
func (p *runtimeClass) find(a *admission.Attributes) (*corev1.Pod, *nodev1.RuntimeClass, error) {
	pod, err := podOf(a)
	if err != nil || pod.Spec.RuntimeClassName == nil {
		return pod, nil, err
	}
	class, ok := p.classes.get("", *pod.Spec.RuntimeClassName)
	if !ok {
		return pod, nil, admission.Forbid(a, fmt.Sprintf("pod rejected: RuntimeClass %q not found", *pod.Spec.RuntimeClassName))
	}
	return pod, class, nil
}

const wrongOverhead = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"

// Mutate fills in overhead, node selector and tolerations.
func (p *runtimeClass) Mutate(_ context.Context, a *admission.Attributes) error {
	pod, class, err := p.find(a)
	if err != nil || class == nil {
		return err
	}
	if class.Overhead != nil {
		if pod.Spec.Overhead != nil && !equality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return admission.Forbid(a, wrongOverhead)
		}
		pod.Spec.Overhead = class.Overhead.PodFixed.DeepCopy()
	}
	if class.Scheduling == nil {
		return nil
	}
	return schedule(a, pod, class.Scheduling)
}

func schedule(a *admission.Attributes, pod *corev1.Pod, s *nodev1.Scheduling) error {
	for _, key := range slices.Sorted(maps.Keys(s.NodeSelector)) {
		value := s.NodeSelector[key]
		if own, there := pod.Spec.NodeSelector[key]; there && own != value {
			return admission.Forbid(a, fmt.Sprintf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s", key, value, key, own))
		}
	}
	if pod.Spec.NodeSelector == nil && len(s.NodeSelector) > 0 {
		pod.Spec.NodeSelector = map[string]string{}
	}
	maps.Copy(pod.Spec.NodeSelector, s.NodeSelector)
	pod.Spec.Tolerations = mergeTolerations(pod.Spec.Tolerations, s.Tolerations)
	return nil
}

// Validate refuses an overhead that is not the class's.
func (p *runtimeClass) Validate(_ context.Context, a *admission.Attributes) error {
	pod, class, err := p.find(a)
	if err != nil {
		return err
	}
	switch {
	case class != nil && class.Overhead != nil:
		if !equality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return admission.Forbid(a, wrongOverhead)
		}
	case pod.Spec.Overhead != nil:
		return admission.Forbid(a, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
	}
	return nil
}
