package autoscaling

import (
	"fmt"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func columns() []registry.Column {
	doc := autoscalingv2.HorizontalPodAutoscalerSpec{}.SwaggerDoc()
	return []registry.Column{
		printers.Name,
		printers.Column("Reference", doc["scaleTargetRef"]),
		printers.Column("Targets", doc["metrics"]),
		printers.Column("MinPods", doc["minReplicas"]),
		printers.Column("MaxPods", doc["maxReplicas"]),
		printers.Column("Replicas", autoscalingv2.HorizontalPodAutoscalerStatus{}.SwaggerDoc()["currentReplicas"]),
		printers.Age,
	}
}

func cells(h *autoscalingv2.HorizontalPodAutoscaler, now registry.Clock) []any {
	least := "<unset>"
	if h.Spec.MinReplicas != nil {
		least = fmt.Sprint(*h.Spec.MinReplicas)
	}
	return []any{
		h.Name,
		h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name,
		formatMetrics(h.Spec.Metrics, h.Status.CurrentMetrics),
		least,
		int64(h.Spec.MaxReplicas),
		int64(h.Status.CurrentReplicas),
		printers.Since(h.CreationTimestamp, now),
	}
}

// shownMetrics is how many metrics the table shows before it counts.
const shownMetrics = 2

// formatMetrics gives each metric as current/target. The status of a metric is
// the one at the same place.
func formatMetrics(metrics []autoscalingv2.MetricSpec, statuses []autoscalingv2.MetricStatus) string {
	if len(metrics) == 0 {
		return "<none>"
	}
	var list []string
	for i := range metrics {
		var status autoscalingv2.MetricStatus
		if i < len(statuses) {
			status = statuses[i]
		}
		list = append(list, formatMetric(&metrics[i], &status))
	}
	if len(list) > shownMetrics {
		return fmt.Sprintf("%s + %d more...", strings.Join(list[:shownMetrics], ", "), len(list)-shownMetrics)
	}
	return strings.Join(list, ", ")
}

func formatMetric(m *autoscalingv2.MetricSpec, s *autoscalingv2.MetricStatus) string {
	current := currentOf(m.Type, s)
	switch {
	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		return formatValues(&m.External.Target, current)
	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		return formatValues(&m.Object.Target, current)
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		return known(current != nil, average(current)) + "/" + quantity(m.Pods.Target.AverageValue)
	case m.Type == autoscalingv2.ResourceMetricSourceType && m.Resource != nil:
		return formatResource(m.Resource.Name, &m.Resource.Target, current)
	case m.Type == autoscalingv2.ContainerResourceMetricSourceType && m.ContainerResource != nil:
		return formatResource(m.ContainerResource.Name, &m.ContainerResource.Target, current)
	}
	return "<unknown type>"
}

// currentOf gives what a status says for a metric of type t, nil if nothing.
func currentOf(t autoscalingv2.MetricSourceType, s *autoscalingv2.MetricStatus) *autoscalingv2.MetricValueStatus {
	switch {
	case t == autoscalingv2.ExternalMetricSourceType && s.External != nil:
		return &s.External.Current
	case t == autoscalingv2.ObjectMetricSourceType && s.Object != nil:
		return &s.Object.Current
	case t == autoscalingv2.PodsMetricSourceType && s.Pods != nil:
		return &s.Pods.Current
	case t == autoscalingv2.ResourceMetricSourceType && s.Resource != nil:
		return &s.Resource.Current
	case t == autoscalingv2.ContainerResourceMetricSourceType && s.ContainerResource != nil:
		return &s.ContainerResource.Current
	}
	return nil
}

// formatValues is for metrics with a value, or an average of it per pod.
func formatValues(t *autoscalingv2.MetricTarget, current *autoscalingv2.MetricValueStatus) string {
	if t.AverageValue != nil {
		return known(current != nil && current.AverageValue != nil, average(current)) + "/" + quantity(t.AverageValue) + " (avg)"
	}
	value := ""
	if current != nil {
		value = quantity(current.Value)
	}
	return known(current != nil, value) + "/" + quantity(t.Value)
}

// formatResource is for metrics with an average value or a utilization in
// percent.
func formatResource(name corev1.ResourceName, t *autoscalingv2.MetricTarget, current *autoscalingv2.MetricValueStatus) string {
	if t.AverageValue != nil {
		return fmt.Sprintf("%s: %s/%s", name, known(current != nil, average(current)), quantity(t.AverageValue))
	}
	now, target := "<unknown>", "<auto>"
	if current != nil && current.AverageUtilization != nil {
		now = fmt.Sprintf("%d%%", *current.AverageUtilization)
	}
	if t.AverageUtilization != nil {
		target = fmt.Sprintf("%d%%", *t.AverageUtilization)
	}
	return fmt.Sprintf("%s: %s/%s", name, now, target)
}

func average(current *autoscalingv2.MetricValueStatus) string {
	if current == nil {
		return ""
	}
	return quantity(current.AverageValue)
}

func known(known bool, text string) string {
	if known {
		return text
	}
	return "<unknown>"
}

// quantity prints what a nil Quantity prints as upstream.
func quantity(q *resource.Quantity) string {
	if q == nil {
		return "<nil>"
	}
	return q.String()
}
