package core

import (
	"context"
	"fmt"
	"net/http"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// bindPod gives a pod to the node that a Binding names, as schedulers do.
func bindPod(env *registry.Env) func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	return func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
		binding, ok := obj.(*corev1.Binding)
		if !ok {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Binding object: %#v", obj))
		}
		if binding.Name != c.Name {
			return nil, apierrors.NewBadRequest("name in URL does not match name in Binding object")
		}
		if errs := validateBinding(binding); len(errs) > 0 {
			return nil, plainError(errs.ToAggregate())
		}
		if c.Validate != nil {
			if err := c.Validate(ctx, binding, nil); err != nil {
				return nil, err
			}
		}
		_, err := c.Registry.Store("", "pods").Update(ctx, c.Namespace, c.Name, registry.UpdateOptions{
			Strategy:      &registry.Strategy{},
			DryRun:        c.DryRun,
			Preconditions: bindingPreconditions(binding),
			Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
				if current == nil {
					return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, c.Name)
				}
				pod := current.(*corev1.Pod)
				if err := assignPod(pod, binding, env.Clock); err != nil {
					return nil, apierrors.NewConflict(schema.GroupResource{Resource: "pods/binding"}, c.Name, err)
				}
				return pod, nil
			},
		})
		if err != nil {
			return nil, err
		}
		return &metav1.Status{Status: metav1.StatusSuccess}, nil
	}
}

// plainError is an error that has no reason for clients: a 500 with its text,
// which is what Kubernetes makes of a faulty Binding.
func plainError(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Message: err.Error(),
	}}
}

func validateBinding(b *corev1.Binding) field.ErrorList {
	var errs field.ErrorList
	target := field.NewPath("target")
	if b.Target.Kind != "" && b.Target.Kind != "Node" {
		errs = append(errs, field.NotSupported(target.Child("kind"), b.Target.Kind, []string{"Node", "<empty>"}))
	}
	if b.Target.Name == "" {
		errs = append(errs, field.Required(target.Child("name"), ""))
	}
	return errs
}

func bindingPreconditions(b *corev1.Binding) *metav1.Preconditions {
	if b.UID == "" && b.ResourceVersion == "" {
		return nil
	}
	p := &metav1.Preconditions{}
	if b.UID != "" {
		p.UID = &b.UID
	}
	if b.ResourceVersion != "" {
		p.ResourceVersion = &b.ResourceVersion
	}
	return p
}

// assignPod writes a binding into a pod. The pod keeps the annotations and
// labels that the binding carries.
func assignPod(pod *corev1.Pod, b *corev1.Binding, now registry.Clock) error {
	switch {
	case pod.DeletionTimestamp != nil:
		return fmt.Errorf("pod %s is being deleted, cannot be assigned to a host", pod.Name)
	case pod.Spec.NodeName != "":
		return fmt.Errorf("pod %v is already assigned to node %q", pod.Name, pod.Spec.NodeName)
	case len(pod.Spec.SchedulingGates) > 0:
		return fmt.Errorf("pod %v has non-empty .spec.schedulingGates", pod.Name)
	}
	pod.Spec.NodeName = b.Target.Name
	pod.Status.NominatedNodeName = ""
	pod.Annotations = mergeStrings(pod.Annotations, b.Annotations)
	pod.Labels = mergeStrings(pod.Labels, b.Labels)
	setPodCondition(&pod.Status, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, now)
	return nil
}

func mergeStrings(m, more map[string]string) map[string]string {
	if m == nil && len(more) > 0 {
		m = make(map[string]string, len(more))
	}
	for key, value := range more {
		m[key] = value
	}
	return m
}

// setPodCondition sets a condition; its time is that of the change of its
// status.
func setPodCondition(s *corev1.PodStatus, c corev1.PodCondition, now registry.Clock) {
	c.LastTransitionTime = metav1.Time{Time: now()}
	old := podCondition(s, c.Type)
	if old == nil {
		s.Conditions = append(s.Conditions, c)
		return
	}
	if old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	*old = c
}

// bindingForPod is the older place to post bindings to: the pod is that of the
// binding's name.
func bindingForPod(env *registry.Env) func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	bind := bindPod(env)
	return func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
		if binding, ok := obj.(*corev1.Binding); ok {
			c.Name = binding.Name
		}
		return bind(ctx, c, obj)
	}
}
