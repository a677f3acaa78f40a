package plugins

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	resourcehelper "k8s.io/component-helpers/resource"
)

// limitRangerAnnotation says on a pod which of its values come from LimitRanges.
const limitRangerAnnotation = "kubernetes.io/limit-ranger"

// limitRanger fills in the containers' requests and limits that the LimitRanges
// of the namespace have defaults for, and refuses pods and claims that lie
// outside their bounds.
type limitRanger struct {
	handler
	ranges *lookup[*corev1.LimitRange]
}

func newLimitRanger(d *deps) (admission.Plugin, error) {
	// A pod's resources change by its subresource only.
	handles := either(on(admission.Create, pods), on(admission.Update, podsResize), writes(claims))
	return &limitRanger{handler{"LimitRanger", handles}, newLookup[*corev1.LimitRange](d.Registry, "", "limitranges")}, nil
}

// Mutate fills in defaults.
func (p *limitRanger) Mutate(_ context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok {
		return nil
	}
	p.ranges.each(a.Namespace, func(r *corev1.LimitRange) bool {
		setDefaults(pod, r)
		return true
	})
	return nil
}

func setDefaults(pod *corev1.Pod, r *corev1.LimitRange) {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range r.Spec.Limits {
		if limit := &r.Spec.Limits[i]; limit.Type == corev1.LimitTypeContainer {
			maps.Copy(requests, limit.DefaultRequest)
			maps.Copy(limits, limit.Default)
		}
	}
	var notes []string
	for i := range pod.Spec.Containers {
		notes = append(notes, setContainerDefaults(&pod.Spec.Containers[i], "container", requests, limits)...)
	}
	for i := range pod.Spec.InitContainers {
		notes = append(notes, setContainerDefaults(&pod.Spec.InitContainers[i], "init container", requests, limits)...)
	}
	if len(notes) == 0 {
		return
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[limitRangerAnnotation] = "LimitRanger plugin set: " + strings.Join(notes, "; ")
}

// setContainerDefaults fills in what a container lacks and gives what the
// annotation says of it.
func setContainerDefaults(c *corev1.Container, kind string, requests, limits corev1.ResourceList) []string {
	var notes []string
	if set := fill(&c.Resources.Requests, requests); len(set) > 0 {
		notes = append(notes, fmt.Sprintf("%s request for %s %s", strings.Join(set, ", "), kind, c.Name))
	}
	if set := fill(&c.Resources.Limits, limits); len(set) > 0 {
		notes = append(notes, fmt.Sprintf("%s limit for %s %s", strings.Join(set, ", "), kind, c.Name))
	}
	return notes
}

func fill(list *corev1.ResourceList, defaults corev1.ResourceList) []string {
	var set []string
	for name, q := range defaults {
		if _, there := (*list)[name]; there {
			continue
		}
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		(*list)[name] = q.DeepCopy()
		set = append(set, string(name))
	}
	slices.Sort(set)
	return set
}

// Validate checks bounds and ratios. All faults of one LimitRange are named.
func (p *limitRanger) Validate(_ context.Context, a *admission.Attributes) error {
	var refusal error
	p.ranges.each(a.Namespace, func(r *corev1.LimitRange) bool {
		var errs []error
		switch obj := a.Object.(type) {
		case *corev1.Pod:
			errs = podOutside(r, obj)
		case *corev1.PersistentVolumeClaim:
			errs = claimOutside(r, obj)
		}
		if len(errs) > 0 {
			refusal = admission.Forbidden(a, utilerrors.NewAggregate(errs))
		}
		return refusal == nil
	})
	return refusal
}

func podOutside(r *corev1.LimitRange, pod *corev1.Pod) []error {
	var errs []error
	for i := range r.Spec.Limits {
		limit := &r.Spec.Limits[i]
		switch limit.Type {
		case corev1.LimitTypeContainer:
			for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
				for j := range list {
					errs = append(errs, outside(limit, list[j].Resources.Requests, list[j].Resources.Limits)...)
				}
			}
		case corev1.LimitTypePod:
			o := resourcehelper.PodResourcesOptions{ExcludeOverhead: true}
			errs = append(errs, outside(limit, resourcehelper.PodRequests(pod, o), resourcehelper.PodLimits(pod, o))...)
		}
	}
	return errs
}

func claimOutside(r *corev1.LimitRange, claim *corev1.PersistentVolumeClaim) []error {
	var errs []error
	requests := claim.Spec.Resources.Requests
	for i := range r.Spec.Limits {
		limit := &r.Spec.Limits[i]
		if limit.Type != corev1.LimitTypePersistentVolumeClaim {
			continue
		}
		errs = append(errs, each(limit.Min, func(name corev1.ResourceName, bound resource.Quantity) error {
			return belowMinimum(limit.Type, name, bound, requests, nil)
		})...)
		errs = append(errs, each(limit.Max, func(name corev1.ResourceName, bound resource.Quantity) error {
			return requestAboveMaximum(limit.Type, name, bound, requests)
		})...)
	}
	return errs
}

func outside(limit *corev1.LimitRangeItem, requests, limits corev1.ResourceList) []error {
	return slices.Concat(
		each(limit.Min, func(name corev1.ResourceName, bound resource.Quantity) error {
			return belowMinimum(limit.Type, name, bound, requests, limits)
		}),
		each(limit.Max, func(name corev1.ResourceName, bound resource.Quantity) error {
			return aboveMaximum(limit.Type, name, bound, requests, limits)
		}),
		each(limit.MaxLimitRequestRatio, func(name corev1.ResourceName, bound resource.Quantity) error {
			return aboveRatio(limit.Type, name, bound, requests, limits)
		}),
	)
}

// each gathers the errors of a list's entries in the order of their names.
func each(list corev1.ResourceList, f func(corev1.ResourceName, resource.Quantity) error) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if err := f(name, list[name]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// values are quantities as numbers that can be compared: thousandths where all
// of them have room for that.
func values(request, limit, bound resource.Quantity) (r, l, b int64) {
	r, l, b = request.Value(), limit.Value(), bound.Value()
	if r <= resource.MaxMilliValue && l <= resource.MaxMilliValue && b <= resource.MaxMilliValue {
		return request.MilliValue(), limit.MilliValue(), bound.MilliValue()
	}
	return r, l, b
}

func belowMinimum(t corev1.LimitType, name corev1.ResourceName, bound resource.Quantity, requests, limits corev1.ResourceList) error {
	request, requested := requests[name]
	limit, limited := limits[name]
	r, l, b := values(request, limit, bound)
	switch {
	case !requested:
		return fmt.Errorf("minimum %s usage per %s is %s.  No request is specified", name, t, bound.String())
	case r < b:
		return fmt.Errorf("minimum %s usage per %s is %s, but request is %s", name, t, bound.String(), request.String())
	case limited && l < b:
		return fmt.Errorf("minimum %s usage per %s is %s, but limit is %s", name, t, bound.String(), limit.String())
	}
	return nil
}

func aboveMaximum(t corev1.LimitType, name corev1.ResourceName, bound resource.Quantity, requests, limits corev1.ResourceList) error {
	request, requested := requests[name]
	limit, limited := limits[name]
	r, l, b := values(request, limit, bound)
	switch {
	case !limited:
		return fmt.Errorf("maximum %s usage per %s is %s.  No limit is specified", name, t, bound.String())
	case l > b:
		return fmt.Errorf("maximum %s usage per %s is %s, but limit is %s", name, t, bound.String(), limit.String())
	case requested && r > b:
		return fmt.Errorf("maximum %s usage per %s is %s, but request is %s", name, t, bound.String(), request.String())
	}
	return nil
}

func requestAboveMaximum(t corev1.LimitType, name corev1.ResourceName, bound resource.Quantity, requests corev1.ResourceList) error {
	request, requested := requests[name]
	r, _, b := values(request, resource.Quantity{}, bound)
	switch {
	case !requested:
		return fmt.Errorf("maximum %s usage per %s is %s.  No request is specified", name, t, bound.String())
	case r > b:
		return fmt.Errorf("maximum %s usage per %s is %s, but request is %s", name, t, bound.String(), request.String())
	}
	return nil
}

func aboveRatio(t corev1.LimitType, name corev1.ResourceName, bound resource.Quantity, requests, limits corev1.ResourceList) error {
	request, requested := requests[name]
	limit, limited := limits[name]
	r, l, _ := values(request, limit, bound)
	switch {
	case !requested || r == 0:
		return fmt.Errorf("%s max limit to request ratio per %s is %s, but no request is specified or request is 0", name, t, bound.String())
	case !limited || l == 0:
		return fmt.Errorf("%s max limit to request ratio per %s is %s, but no limit is specified or limit is 0", name, t, bound.String())
	}
	ratio := float64(l) / float64(r)
	shown, allowed := ratio, float64(bound.Value())
	if bound.Value() <= resource.MaxMilliValue {
		ratio, allowed = ratio*1000, float64(bound.MilliValue())
	}
	if ratio > allowed {
		return fmt.Errorf("%s max limit to request ratio per %s is %s, but provided ratio is %f", name, t, bound.String(), shown)
	}
	return nil
}
