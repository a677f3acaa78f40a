package autoscaling

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type hpa = autoscalingv2.HorizontalPodAutoscaler

// horizontalPodAutoscalers are stored as v2; v1 shows the same objects with
// annotations for what it has no fields for (hpa_v1.go). They have no
// generation.
func horizontalPodAutoscalers() registry.Resource {
	status := registry.For[*hpa]{
		PrepareForUpdate: func(_ context.Context, h, old *hpa) { h.Spec = old.Spec },
		ValidateUpdate: func(_ context.Context, h, _ *hpa) field.ErrorList {
			return validateStatus(&h.Status, field.NewPath("status"))
		},
		ResetFields: map[string][]string{"autoscaling/v1": {"spec"}, "autoscaling/v2": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:      group,
		Name:       "horizontalpodautoscalers",
		Singular:   "horizontalpodautoscaler",
		Kind:       "HorizontalPodAutoscaler",
		ShortNames: []string{"hpa"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v2",
			New:     func() scheme.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
			Default: registry.Typed(defaultV2),
		}, {
			Name:    "v1",
			New:     func() scheme.Object { return &autoscalingv1.HorizontalPodAutoscaler{} },
			Default: registry.Typed(defaultV1),
			ToHub:   hubFromV1,
			FromHub: v1FromHub,
		}},
		Strategy: registry.For[*hpa]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, h *hpa) {
				h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
			},
			Validate: func(_ context.Context, h *hpa) field.ErrorList {
				return validateSpec(&h.Spec, rulesFor(h, nil), field.NewPath("spec"))
			},
			PrepareForUpdate: func(_ context.Context, h, old *hpa) { h.Status = old.Status },
			ValidateUpdate: func(_ context.Context, h, old *hpa) field.ErrorList {
				return validateSpec(&h.Spec, rulesFor(h, old), field.NewPath("spec"))
			},
			ResetFields: map[string][]string{"autoscaling/v1": {"status"}, "autoscaling/v2": {"status"}},
		}.Strategy(),
		Columns: columns(),
		Cells:   registry.Row(cells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}
