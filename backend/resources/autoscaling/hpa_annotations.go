package autoscaling

import (
	"encoding/json"
	"maps"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What autoscaling/v1 has no fields for travels in these annotations; v2 never
// shows them.
const (
	metricsAnnotation        = "autoscaling.alpha.kubernetes.io/metrics"
	currentMetricsAnnotation = "autoscaling.alpha.kubernetes.io/current-metrics"
	conditionsAnnotation     = "autoscaling.alpha.kubernetes.io/conditions"
	behaviorAnnotation       = "autoscaling.alpha.kubernetes.io/behavior"
)

// withoutRoundTripAnnotations gives annotations without those of the
// conversion; the same map when it has none of them.
func withoutRoundTripAnnotations(annotations map[string]string) map[string]string {
	var out map[string]string
	for _, key := range []string{metricsAnnotation, currentMetricsAnnotation, conditionsAnnotation, behaviorAnnotation} {
		if _, found := annotations[key]; !found {
			continue
		}
		if out == nil {
			out = maps.Clone(annotations)
		}
		delete(out, key)
	}
	if out == nil {
		return annotations
	}
	return out
}

// behaviorForm is how the behaviour is written in its annotation: Kubernetes
// writes its internal type there, whose keys are the Go names.
type behaviorForm struct {
	ScaleUp   *rulesForm
	ScaleDown *rulesForm
}

type rulesForm struct {
	StabilizationWindowSeconds *int32
	SelectPolicy               *autoscalingv2.ScalingPolicySelect
	Policies                   []policyForm
	Tolerance                  *resource.Quantity
}

type policyForm struct {
	Type          autoscalingv2.HPAScalingPolicyType
	Value         int32
	PeriodSeconds int32
}

// annotationsOfHub gives the annotations that carry what v1 cannot say about
// hub.
func annotationsOfHub(hub *autoscalingv2.HorizontalPodAutoscaler) (map[string]string, error) {
	out := map[string]string{}
	put := func(key string, n int, value any) error {
		if n == 0 {
			return nil
		}
		text, err := json.Marshal(value)
		out[key] = string(text)
		return err
	}
	metrics := metricsToV1(hub.Spec.Metrics)
	if err := put(metricsAnnotation, len(metrics), metrics); err != nil {
		return nil, err
	}
	current := currentMetricsToV1(hub.Status.CurrentMetrics)
	if err := put(currentMetricsAnnotation, len(current), current); err != nil {
		return nil, err
	}
	conditions := conditionsToV1(hub.Status.Conditions)
	if err := put(conditionsAnnotation, len(conditions), conditions); err != nil {
		return nil, err
	}
	if b := hub.Spec.Behavior; b != nil {
		form := behaviorForm{ScaleUp: rulesToForm(b.ScaleUp), ScaleDown: rulesToForm(b.ScaleDown)}
		if err := put(behaviorAnnotation, 1, form); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readAnnotations fills hub with what the annotations of a v1 object carry. An
// annotation that cannot be read is ignored, as upstream does.
func readAnnotations(annotations map[string]string, hub *autoscalingv2.HorizontalPodAutoscaler) {
	var metrics []autoscalingv1.MetricSpec
	if read(annotations, metricsAnnotation, &metrics) && len(metrics) > 0 {
		hub.Spec.Metrics = append(metricsToHub(metrics), hub.Spec.Metrics...)
	}
	var behavior behaviorForm
	if read(annotations, behaviorAnnotation, &behavior) && behavior != (behaviorForm{}) {
		hub.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   rulesFromForm(behavior.ScaleUp),
			ScaleDown: rulesFromForm(behavior.ScaleDown),
		}
	}
	var current []autoscalingv1.MetricStatus
	if read(annotations, currentMetricsAnnotation, &current) && len(current) > 0 {
		hub.Status.CurrentMetrics = currentMetricsToHub(current)
	}
	var conditions []autoscalingv1.HorizontalPodAutoscalerCondition
	if read(annotations, conditionsAnnotation, &conditions) && len(conditions) > 0 {
		hub.Status.Conditions = conditionsToHub(conditions)
	}
}

func read(annotations map[string]string, key string, into any) bool {
	text, found := annotations[key]
	return found && json.Unmarshal([]byte(text), into) == nil
}

func rulesToForm(r *autoscalingv2.HPAScalingRules) *rulesForm {
	if r == nil {
		return nil
	}
	out := &rulesForm{StabilizationWindowSeconds: r.StabilizationWindowSeconds, SelectPolicy: r.SelectPolicy, Tolerance: r.Tolerance}
	for _, p := range r.Policies {
		out.Policies = append(out.Policies, policyForm(p))
	}
	return out
}

func rulesFromForm(f *rulesForm) *autoscalingv2.HPAScalingRules {
	if f == nil {
		return nil
	}
	out := &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: f.StabilizationWindowSeconds, SelectPolicy: f.SelectPolicy, Tolerance: f.Tolerance}
	for _, p := range f.Policies {
		out.Policies = append(out.Policies, autoscalingv2.HPAScalingPolicy(p))
	}
	return out
}

func conditionsToV1(in []autoscalingv2.HorizontalPodAutoscalerCondition) []autoscalingv1.HorizontalPodAutoscalerCondition {
	var out []autoscalingv1.HorizontalPodAutoscalerCondition
	for _, c := range in {
		out = append(out, autoscalingv1.HorizontalPodAutoscalerCondition{
			Type:               autoscalingv1.HorizontalPodAutoscalerConditionType(c.Type),
			Status:             c.Status,
			LastTransitionTime: c.LastTransitionTime,
			Reason:             c.Reason,
			Message:            c.Message,
		})
	}
	return out
}

func conditionsToHub(in []autoscalingv1.HorizontalPodAutoscalerCondition) []autoscalingv2.HorizontalPodAutoscalerCondition {
	var out []autoscalingv2.HorizontalPodAutoscalerCondition
	for _, c := range in {
		out = append(out, autoscalingv2.HorizontalPodAutoscalerCondition{
			Type:               autoscalingv2.HorizontalPodAutoscalerConditionType(c.Type),
			Status:             c.Status,
			LastTransitionTime: c.LastTransitionTime,
			Reason:             c.Reason,
			Message:            c.Message,
		})
	}
	return out
}
