package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
)

// priority gives pods the number that their priority class stands for, and
// keeps a second class from being the default.
type priority struct {
	handler
	classes *lookup[*schedulingv1.PriorityClass]
}

func newPriority(d *deps) (admission.Plugin, error) {
	return &priority{
		handler{"Priority", writes(pods, target{group: "scheduling.k8s.io", resource: "priorityclasses"})},
		newLookup[*schedulingv1.PriorityClass](d.Registry, "scheduling.k8s.io", "priorityclasses"),
	}, nil
}

// Mutate fills in priority and preemptionPolicy.
func (p *priority) Mutate(_ context.Context, a *admission.Attributes) error {
	if a.Resource.Resource != "pods" {
		return nil
	}
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	if a.Operation == admission.Update {
		keepPriority(pod, a)
		return nil
	}
	class, ok := p.classOf(pod)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("no PriorityClass with name %v was found", pod.Spec.PriorityClassName))
	}
	pod.Spec.PriorityClassName = class.Name
	if given := pod.Spec.Priority; given != nil && *given != class.Value {
		return admission.Forbid(a, fmt.Sprintf("the integer value of priority (%d) must not be provided in pod spec; priority admission controller computed %d from the given PriorityClass name", *given, class.Value))
	}
	pod.Spec.Priority = new(class.Value)
	if class.PreemptionPolicy == nil {
		return nil
	}
	if given := pod.Spec.PreemptionPolicy; given != nil && *given != *class.PreemptionPolicy {
		return admission.Forbid(a, fmt.Sprintf("the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller computed %s from the given PriorityClass name", *given, *class.PreemptionPolicy))
	}
	pod.Spec.PreemptionPolicy = new(*class.PreemptionPolicy)
	return nil
}

// keepPriority lets updates leave out what this plugin filled in. Changes of it
// are for validation to refuse.
func keepPriority(pod *corev1.Pod, a *admission.Attributes) {
	old, ok := a.Old.(*corev1.Pod)
	if !ok {
		return
	}
	if pod.Spec.Priority == nil && old.Spec.Priority != nil {
		pod.Spec.Priority = new(*old.Spec.Priority)
	}
	if pod.Spec.PreemptionPolicy == nil && old.Spec.PreemptionPolicy != nil {
		pod.Spec.PreemptionPolicy = new(*old.Spec.PreemptionPolicy)
	}
}

// noClass is the priority where there is no class for it.
var noClass = &schedulingv1.PriorityClass{PreemptionPolicy: new(corev1.PreemptLowerPriority)}

func (p *priority) classOf(pod *corev1.Pod) (*schedulingv1.PriorityClass, bool) {
	if name := pod.Spec.PriorityClassName; name != "" {
		return p.classes.get("", name)
	}
	if class := p.globalDefault(); class != nil {
		return class, true
	}
	return noClass, true
}

// globalDefault gives the class that pods without one are of: the lowest, in
// case that two have been made at the same time.
func (p *priority) globalDefault() *schedulingv1.PriorityClass {
	var lowest *schedulingv1.PriorityClass
	p.classes.each("", func(c *schedulingv1.PriorityClass) bool {
		if c.GlobalDefault && (lowest == nil || c.Value < lowest.Value) {
			lowest = c
		}
		return true
	})
	return lowest
}

// Validate refuses a second default class.
func (p *priority) Validate(_ context.Context, a *admission.Attributes) error {
	class, ok := a.Object.(*schedulingv1.PriorityClass)
	if !ok || !class.GlobalDefault {
		return nil
	}
	current := p.globalDefault()
	if current == nil || a.Operation == admission.Update && current.Name == class.Name {
		return nil
	}
	return admission.Forbid(a, fmt.Sprintf("PriorityClass %v is already marked as default. Only one default can exist", current.Name))
}
