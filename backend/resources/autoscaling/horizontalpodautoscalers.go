package autoscaling

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

func horizontalPodAutoscalers() registry.Resource {
	status := horizontalPodAutoscalerStatusStrategy()
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
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func horizontalPodAutoscalerStatusStrategy() registry.Strategy {
	return registry.For[*autoscalingv2.HorizontalPodAutoscaler]{}.Strategy()
}
