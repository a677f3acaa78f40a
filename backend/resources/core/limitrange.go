package core

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func limitRangeResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "limitranges",
		Singular:   "limitrange",
		Kind:       "LimitRange",
		ShortNames: []string{"limits"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.LimitRange{} },
			Default: registry.Typed(defaultLimitRange),
		}},
		Strategy: registry.For[*corev1.LimitRange]{
			ValidatesMetaOnUpdate: 1,
			SkipsMetaChanges:      true,
			PrepareForCreate: func(_ context.Context, l *corev1.LimitRange) {
				if l.Name == "" {
					l.Name = string(uuid.NewUUID())
				}
			},
			Validate:            func(_ context.Context, l *corev1.LimitRange) field.ErrorList { return validateLimitRange(l) },
			ValidateUpdate:      func(_ context.Context, l, _ *corev1.LimitRange) field.ErrorList { return validateLimitRange(l) },
			AllowCreateOnUpdate: true,
		}.Strategy(),
		Columns: printers.DefaultColumns,
		Cells: registry.Row(func(l *corev1.LimitRange, _ registry.Clock) []any {
			return printers.DefaultCells(l)
		}),
	}
}

func defaultLimitRange(l *corev1.LimitRange) {
	for i := range l.Spec.Limits {
		item := &l.Spec.Limits[i]
		if item.Type == corev1.LimitTypeContainer {
			if item.Default == nil {
				item.Default = corev1.ResourceList{}
			}
			if item.DefaultRequest == nil {
				item.DefaultRequest = corev1.ResourceList{}
			}
			fillResources(item.Default, item.Max)
			fillResources(item.DefaultRequest, item.Default)
			fillResources(item.DefaultRequest, item.Min)
		}
		for _, list := range []corev1.ResourceList{item.Max, item.Min, item.Default, item.DefaultRequest, item.MaxLimitRequestRatio} {
			roundResources(list)
		}
	}
}

// fillResources adds to list what it lacks of from.
func fillResources(list, from corev1.ResourceList) {
	for name, q := range from {
		if _, ok := list[name]; !ok {
			list[name] = q.DeepCopy()
		}
	}
}

// roundResources rounds up to thousandths, which is what the API keeps.
func roundResources(list corev1.ResourceList) {
	for name, q := range list {
		q.RoundUp(-3)
		list[name] = q
	}
}
