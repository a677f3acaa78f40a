package core

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// evictionTries bounds how often an eviction starts again after a conflict.
	evictionTries = 20
	// maxDisruptedPods bounds how many evictions a budget remembers that its
	// controller has not confirmed.
	maxDisruptedPods = 2000
	// evictionRetrySeconds is when a client may try again once a budget has
	// been looked at by its controller.
	evictionRetrySeconds = 10
)

// eviction is one eviction: the deletion of a pod unless a budget forbids it.
type eviction struct {
	env     *registry.Env
	call    registry.Call
	pods    *registry.Store
	budgets *registry.Store
	options metav1.DeleteOptions
	dryRun  bool
}

// evictPod deletes a pod if the disruption budget that it falls under allows
// it, and charges the budget.
func evictPod(env *registry.Env) func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	return func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
		request, ok := obj.(*policyv1.Eviction)
		if !ok {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Eviction object: %T", obj))
		}
		if request.Name != c.Name {
			return nil, apierrors.NewBadRequest("name in URL does not match name in Eviction object")
		}
		e := eviction{
			env:     env,
			call:    c,
			pods:    c.Registry.Store("", "pods"),
			budgets: c.Registry.Store("policy", "poddisruptionbudgets"),
			dryRun:  c.DryRun,
		}
		if o := request.DeleteOptions; o != nil {
			e.options = *o
			if c.DryRun && len(o.DryRun) > 0 && !reflect.DeepEqual(o.DryRun, []string{metav1.DryRunAll}) {
				return nil, plainError(fmt.Errorf("Non-matching dry-run options in request and content: %v and %v", []string{metav1.DryRunAll}, o.DryRun))
			}
			e.dryRun = e.dryRun || len(o.DryRun) > 0
		}
		if c.Validate != nil {
			if err := c.Validate(ctx, request, nil); err != nil {
				return nil, err
			}
		}
		if err := e.run(ctx); err != nil {
			return nil, err
		}
		return &metav1.Status{Status: metav1.StatusSuccess}, nil
	}
}

func (e *eviction) run(ctx context.Context) error {
	pod, gone, err := e.evictHarmless(ctx)
	if err != nil || gone {
		return err
	}
	budget, err := e.budgetOf(ctx, pod)
	if err != nil {
		return err
	}
	if budget == nil {
		return e.delete(ctx, e.options)
	}
	if spared := e.spared(pod, budget); !spared {
		if err := e.charge(ctx, budget.Name, pod.Name); err != nil {
			return err
		}
		return e.delete(ctx, e.options)
	}
	// The budget is not charged because the pod is not ready, so the pod must
	// not have become ready since.
	err = e.delete(ctx, atVersion(e.options, pod.ResourceVersion))
	if apierrors.IsConflict(err) && !hasVersion(e.options) {
		return stillProcessed(budget.Name)
	}
	return err
}

// evictHarmless deletes a pod whose deletion disrupts nothing, because it has
// ended, has not begun or is being deleted. It gives the pod when it is another
// one.
func (e *eviction) evictHarmless(ctx context.Context) (pod *corev1.Pod, gone bool, err error) {
	for range evictionTries {
		if pod, err = e.pod(ctx); err != nil {
			return nil, false, err
		}
		ending := podEnded(pod) || pod.DeletionTimestamp != nil
		if !ending && pod.Status.Phase != corev1.PodPending {
			return pod, false, nil
		}
		options := e.options
		if !ending && !hasVersion(options) {
			options = atVersion(options, pod.ResourceVersion)
		}
		err = e.delete(ctx, options)
		if !apierrors.IsConflict(err) || hasVersion(e.options) {
			break
		}
	}
	return nil, err == nil, err
}

func (e *eviction) pod(ctx context.Context) (*corev1.Pod, error) {
	o, err := e.pods.Get(ctx, e.call.Namespace, e.call.Name, registry.GetOptions{})
	if err != nil {
		return nil, err
	}
	obj, err := e.pods.Decode(o)
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Pod), nil
}

// budgetOf gives the budget that a pod falls under, nil when there is none.
func (e *eviction) budgetOf(ctx context.Context, pod *corev1.Pod) (*policyv1.PodDisruptionBudget, error) {
	if e.budgets == nil {
		return nil, nil
	}
	list, err := e.budgets.List(ctx, registry.ListOptions{Namespace: pod.Namespace})
	if err != nil {
		return nil, err
	}
	var found *policyv1.PodDisruptionBudget
	for _, item := range list.Items {
		obj, err := e.budgets.Decode(item)
		if err != nil {
			return nil, err
		}
		budget := obj.(*policyv1.PodDisruptionBudget)
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if found != nil {
			return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
				Status:  metav1.StatusFailure,
				Code:    http.StatusInternalServerError,
				Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
			}}
		}
		found = budget
	}
	return found, nil
}

// spared tells that a budget is not charged for a pod: it is not ready, and
// either the budget says that such pods may always go, or enough others are.
func (e *eviction) spared(pod *corev1.Pod, budget *policyv1.PodDisruptionBudget) bool {
	if ready := podCondition(&pod.Status, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
		return false
	}
	if policy := budget.Spec.UnhealthyPodEvictionPolicy; policy != nil && *policy == policyv1.AlwaysAllow {
		return true
	}
	return budget.Status.DesiredHealthy > 0 && budget.Status.CurrentHealthy >= budget.Status.DesiredHealthy
}

// charge takes one disruption from a budget, or says why there is none.
func (e *eviction) charge(ctx context.Context, name, pod string) error {
	_, err := e.budgets.Update(ctx, e.call.Namespace, name, registry.UpdateOptions{
		Strategy: &registry.Strategy{},
		DryRun:   e.dryRun,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			if current == nil {
				return nil, apierrors.NewNotFound(schema.GroupResource{Group: policyv1.GroupName, Resource: "poddisruptionbudgets"}, name)
			}
			budget := current.(*policyv1.PodDisruptionBudget)
			if err := refusal(budget); err != nil {
				return nil, err
			}
			e.take(budget, pod)
			return budget, nil
		},
	})
	return err
}

// refusal tells why a budget allows no disruption now, nil when it does.
func refusal(budget *policyv1.PodDisruptionBudget) error {
	s := &budget.Status
	resource := schema.GroupResource{Group: policyv1.GroupName, Resource: "poddisruptionbudget"}
	switch {
	case s.ObservedGeneration < budget.Generation:
		return stillProcessed(budget.Name)
	case s.DisruptionsAllowed < 0:
		return apierrors.NewForbidden(resource, budget.Name, fmt.Errorf("pdb disruptions allowed is negative"))
	case len(s.DisruptedPods) > maxDisruptedPods:
		return apierrors.NewForbidden(resource, budget.Name, fmt.Errorf("DisruptedPods map too big - too many evictions not confirmed by PDB controller"))
	case s.DisruptionsAllowed > 0:
		return nil
	}
	message := fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", budget.Name, s.DesiredHealthy, s.CurrentHealthy)
	if c := apimeta.FindStatusCondition(s.Conditions, policyv1.DisruptionAllowedCondition); c != nil && c.Status == metav1.ConditionFalse && c.Reason == policyv1.SyncFailedReason {
		message = fmt.Sprintf("The disruption budget %s does not allow evicting pods currently because it failed sync: %v", budget.Name, c.Message)
	}
	return tooMany(0, message)
}

func stillProcessed(budget string) error {
	return tooMany(evictionRetrySeconds, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget))
}

func tooMany(retrySeconds int, cause string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retrySeconds)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: cause})
	return err
}

// take writes a disruption into a budget. Its controller counts the pod as gone
// until the pod is, or until it has taken too long.
func (e *eviction) take(budget *policyv1.PodDisruptionBudget, pod string) {
	s := &budget.Status
	now := metav1.Time{Time: e.env.Clock()}
	s.DisruptionsAllowed--
	if s.DisruptionsAllowed == 0 {
		apimeta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type:               policyv1.DisruptionAllowedCondition,
			Status:             metav1.ConditionFalse,
			Reason:             policyv1.InsufficientPodsReason,
			ObservedGeneration: s.ObservedGeneration,
			LastTransitionTime: now,
		})
	}
	if s.DisruptedPods == nil {
		s.DisruptedPods = map[string]metav1.Time{}
	}
	s.DisruptedPods[pod] = now
}

// delete says in the pod's status why it goes, and deletes it.
func (e *eviction) delete(ctx context.Context, options metav1.DeleteOptions) error {
	if !e.dryRun {
		result, err := e.pods.Update(ctx, e.call.Namespace, e.call.Name, registry.UpdateOptions{
			Strategy:      &registry.Strategy{},
			Preconditions: options.Preconditions,
			Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
				if current == nil {
					return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, e.call.Name)
				}
				pod := current.(*corev1.Pod)
				setPodCondition(&pod.Status, corev1.PodCondition{
					Type:    corev1.DisruptionTarget,
					Status:  corev1.ConditionTrue,
					Reason:  "EvictionByEvictionAPI",
					Message: "Eviction API: evicting",
				}, e.env.Clock)
				return pod, nil
			},
		})
		if err != nil {
			return err
		}
		if hasVersion(options) {
			options = atVersion(options, result.Hub.GetResourceVersion())
		}
	}
	_, err := e.pods.Delete(ctx, e.call.Namespace, e.call.Name, registry.DeleteOptions{Options: options, DryRun: e.dryRun})
	return err
}

func hasVersion(o metav1.DeleteOptions) bool {
	return o.Preconditions != nil && o.Preconditions.ResourceVersion != nil
}

// atVersion gives options with a precondition on the resourceVersion.
func atVersion(o metav1.DeleteOptions, rv string) metav1.DeleteOptions {
	p := metav1.Preconditions{ResourceVersion: &rv}
	if o.Preconditions != nil {
		p.UID = o.Preconditions.UID
	}
	o.Preconditions = &p
	return o
}
