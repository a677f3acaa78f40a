package core

import (
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateLimitRange(l *corev1.LimitRange) field.ErrorList {
	var errs field.ErrorList
	types := map[corev1.LimitType]bool{}
	for i := range l.Spec.Limits {
		item, path := &l.Spec.Limits[i], field.NewPath("spec", "limits").Index(i)
		errs = append(errs, validateLimitType(item.Type, path.Child("type"))...)
		if types[item.Type] {
			errs = append(errs, field.Duplicate(path.Child("type"), item.Type))
		}
		types[item.Type] = true
		errs = append(errs, validateLimitItem(item, path)...)
	}
	return errs
}

func validateLimitType(t corev1.LimitType, path *field.Path) field.ErrorList {
	if errs := validate.Messages(path, t, validation.IsQualifiedName(string(t))); len(errs) > 0 {
		return errs
	}
	switch t {
	case corev1.LimitTypePod, corev1.LimitTypeContainer, corev1.LimitTypePersistentVolumeClaim:
		return nil
	}
	if slices.Contains([]byte(t), '/') {
		return nil
	}
	return field.ErrorList{field.Invalid(path, t, "must be a standard limit type or fully qualified")}
}

func validateLimitItem(item *corev1.LimitRangeItem, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	keys := sets.New[corev1.ResourceName]()
	names := func(list corev1.ResourceList, name string) {
		for _, k := range slices.Sorted(maps.Keys(list)) {
			errs = append(errs, validateLimitResource(item.Type, k, path.Child(name).Key(string(k)))...)
			keys.Insert(k)
		}
	}
	names(item.Max, "max")
	names(item.Min, "min")
	defaults, requests := item.Default, item.DefaultRequest
	if item.Type == corev1.LimitTypePod {
		defaults, requests = nil, nil
		if len(item.Default) > 0 {
			errs = append(errs, field.Forbidden(path.Child("default"), "may not be specified when `type` is 'Pod'"))
		}
		if len(item.DefaultRequest) > 0 {
			errs = append(errs, field.Forbidden(path.Child("defaultRequest"), "may not be specified when `type` is 'Pod'"))
		}
	}
	names(defaults, "default")
	names(requests, "defaultRequest")
	if item.Type == corev1.LimitTypePersistentVolumeClaim {
		_, min := item.Min[corev1.ResourceStorage]
		_, max := item.Max[corev1.ResourceStorage]
		if !min && !max {
			errs = append(errs, field.Required(path.Child("limits"), "either minimum or maximum storage value is required, but neither was provided"))
		}
	}
	names(item.MaxLimitRequestRatio, "maxLimitRequestRatio")
	for _, k := range sets.List(keys) {
		l := limitsOf(item, defaults, requests, k)
		errs = append(errs, l.validate(k, path)...)
	}
	return errs
}

func validateLimitResource(t corev1.LimitType, name corev1.ResourceName, path *field.Path) field.ErrorList {
	if t == corev1.LimitTypePod || t == corev1.LimitTypeContainer {
		return validate.ContainerResourceName(name, path)
	}
	return validate.ResourceName(name, path)
}

// limits are the limits of one resource, nil where there is none.
type limits struct {
	min, max, limit, request, ratio *resource.Quantity
}

func limitsOf(item *corev1.LimitRangeItem, defaults, requests corev1.ResourceList, name corev1.ResourceName) limits {
	get := func(list corev1.ResourceList) *resource.Quantity {
		if q, ok := list[name]; ok {
			return &q
		}
		return nil
	}
	return limits{get(item.Min), get(item.Max), get(defaults), get(requests), get(item.MaxLimitRequestRatio)}
}

func above(a, b *resource.Quantity) bool { return a != nil && b != nil && a.Cmp(*b) > 0 }

func (l limits) validate(name corev1.ResourceName, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	wrong := func(list string, value *resource.Quantity, format string, args ...any) {
		errs = append(errs, field.Invalid(path.Child(list).Key(string(name)), *value, fmt.Sprintf(format, args...)))
	}
	if above(l.min, l.max) {
		wrong("min", l.min, "min value %s is greater than max value %s", l.min, l.max)
	}
	if above(l.min, l.request) {
		wrong("defaultRequest", l.request, "min value %s is greater than default request value %s", l.min, l.request)
	}
	if above(l.request, l.max) {
		wrong("defaultRequest", l.request, "default request value %s is greater than max value %s", l.request, l.max)
	}
	if above(l.request, l.limit) {
		wrong("defaultRequest", l.request, "default request value %s is greater than default limit value %s", l.request, l.limit)
	}
	if above(l.min, l.limit) {
		wrong("default", l.min, "min value %s is greater than default value %s", l.min, l.limit)
	}
	if above(l.limit, l.max) {
		wrong("default", l.max, "default value %s is greater than max value %s", l.limit, l.max)
	}
	if l.ratio != nil && l.ratio.CmpInt64(1) < 0 {
		wrong("maxLimitRequestRatio", l.ratio, "ratio %s is less than 1", l.ratio)
	}
	if l.ratio != nil && l.min != nil && l.max != nil {
		if ratio, most := l.ratios(); ratio > most {
			wrong("maxLimitRequestRatio", l.ratio, "ratio %s is greater than max/min = %f", l.ratio, most)
		}
	}
	if !validate.IsOvercommitAllowed(name) && l.limit != nil && l.request != nil && l.limit.Cmp(*l.request) != 0 {
		wrong("defaultRequest", l.request, "default value %s must equal to defaultRequest value %s in %s", l.limit, l.request, name)
	}
	return errs
}

// ratios gives the wanted ratio and the largest that min and max leave room
// for, in thousandths where they fit.
func (l limits) ratios() (ratio, most float64) {
	if l.ratio.Value() < resource.MaxMilliValue && l.min.Value() < resource.MaxMilliValue && l.max.Value() < resource.MaxMilliValue {
		return float64(l.ratio.MilliValue()) / 1000, float64(l.max.MilliValue()) / float64(l.min.MilliValue())
	}
	return float64(l.ratio.Value()), float64(l.max.Value()) / float64(l.min.Value())
}
