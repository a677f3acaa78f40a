package autoscaling

import (
	"slices"

	"pilothouse/backend/resources/validate"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// metricTypes are the known types of metrics, sorted as errors list them.
var metricTypes = []autoscalingv2.MetricSourceType{
	autoscalingv2.ContainerResourceMetricSourceType,
	autoscalingv2.ExternalMetricSourceType,
	autoscalingv2.ObjectMetricSourceType,
	autoscalingv2.PodsMetricSourceType,
	autoscalingv2.ResourceMetricSourceType,
}

// sourceOf names the field that a metric of a type must have.
var sourceOf = map[autoscalingv2.MetricSourceType]string{
	autoscalingv2.ContainerResourceMetricSourceType: "containerResource",
	autoscalingv2.ExternalMetricSourceType:          "external",
	autoscalingv2.ObjectMetricSourceType:            "object",
	autoscalingv2.PodsMetricSourceType:              "pods",
	autoscalingv2.ResourceMetricSourceType:          "resource",
}

func validateMetrics(metrics []autoscalingv2.MetricSpec, minReplicas *int32, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	outside := false
	for i := range metrics {
		errs = append(errs, validateMetric(&metrics[i], at.Index(i))...)
		outside = outside || metrics[i].Type == autoscalingv2.ObjectMetricSourceType || metrics[i].Type == autoscalingv2.ExternalMetricSourceType
	}
	if minReplicas != nil && *minReplicas == 0 && !outside {
		errs = append(errs, field.Forbidden(at, "must specify at least one Object or External metric to support scaling to zero replicas"))
	}
	return errs
}

// validateMetric wants the one source that the type names. Only the first source
// is looked into, and an unknown type is told twice, as upstream does.
func validateMetric(m *autoscalingv2.MetricSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if m.Type == "" {
		errs = append(errs, field.Required(at.Child("type"), "must specify a metric source type"))
	}
	errs = append(errs, validate.OneOf(at.Child("type"), m.Type, metricTypes)...)

	present, sourceErrs := validateSources(m, at)
	errs = append(errs, sourceErrs...)
	expected, known := sourceOf[m.Type]
	switch {
	case !known:
		errs = append(errs, field.NotSupported(at.Child("type"), m.Type, metricTypes))
	case !slices.Contains(present, expected):
		errs = append(errs, field.Required(at.Child(expected), "must populate information for the given metric source"))
	}
	if len(present) > 1 {
		for _, name := range present {
			if name != expected {
				errs = append(errs, field.Forbidden(at.Child(name), "must populate the given metric source only"))
			}
		}
	}
	return errs
}

// validateSources gives the names of the sources that are there and what is
// wrong with the first of them.
func validateSources(m *autoscalingv2.MetricSpec, at *field.Path) ([]string, field.ErrorList) {
	var present []string
	var errs field.ErrorList
	source := func(name string, there bool, check func(at *field.Path) field.ErrorList) {
		if !there {
			return
		}
		if present = append(present, name); len(present) == 1 {
			errs = check(at.Child(name))
		}
	}
	source("object", m.Object != nil, func(at *field.Path) field.ErrorList { return validateObjectSource(m.Object, at) })
	source("external", m.External != nil, func(at *field.Path) field.ErrorList { return validateExternalSource(m.External, at) })
	source("pods", m.Pods != nil, func(at *field.Path) field.ErrorList { return validatePodsSource(m.Pods, at) })
	source("resource", m.Resource != nil, func(at *field.Path) field.ErrorList { return validateResourceSource(m.Resource, at) })
	source("containerResource", m.ContainerResource != nil, func(at *field.Path) field.ErrorList {
		return validateContainerResourceSource(m.ContainerResource, at)
	})
	return present, errs
}

func validateObjectSource(s *autoscalingv2.ObjectMetricSource, at *field.Path) field.ErrorList {
	errs := validateReference(&s.DescribedObject, referenceRules{allowNoGroup: true}, at.Child("describedObject"))
	errs = append(errs, validateMetricName(s.Metric.Name, at)...)
	errs = append(errs, validateTarget(&s.Target, at.Child("target"))...)
	if s.Target.Value == nil && s.Target.AverageValue == nil {
		errs = append(errs, field.Required(at.Child("target", "averageValue"), "must set either a target value or averageValue"))
	}
	return errs
}

func validateExternalSource(s *autoscalingv2.ExternalMetricSource, at *field.Path) field.ErrorList {
	errs := validateMetricName(s.Metric.Name, at)
	errs = append(errs, validateTarget(&s.Target, at.Child("target"))...)
	if s.Target.Value == nil && s.Target.AverageValue == nil {
		errs = append(errs, field.Required(at.Child("target", "averageValue"), "must set either a target value for metric or a per-pod target"))
	}
	if s.Target.Value != nil && s.Target.AverageValue != nil {
		errs = append(errs, field.Forbidden(at.Child("target", "value"), "may not set both a target value for metric and a per-pod target"))
	}
	return errs
}

func validatePodsSource(s *autoscalingv2.PodsMetricSource, at *field.Path) field.ErrorList {
	errs := validateMetricName(s.Metric.Name, at)
	errs = append(errs, validateTarget(&s.Target, at.Child("target"))...)
	if s.Target.AverageValue == nil {
		errs = append(errs, field.Required(at.Child("target", "averageValue"), "must specify a positive target averageValue"))
	}
	return errs
}

func validateResourceSource(s *autoscalingv2.ResourceMetricSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), "must specify a resource name"))
	}
	return append(errs, validateUtilizationTarget(&s.Target, at.Child("target"))...)
}

func validateContainerResourceSource(s *autoscalingv2.ContainerResourceMetricSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), "must specify a resource name"))
	} else {
		errs = append(errs, validate.ContainerResourceName(s.Name, at.Child("name"))...)
	}
	if s.Container == "" {
		errs = append(errs, field.Required(at.Child("container"), "must specify a container"))
	} else {
		errs = append(errs, validate.DNSLabel(s.Container, at.Child("container"))...)
	}
	return append(errs, validateUtilizationTarget(&s.Target, at.Child("target"))...)
}

// validateUtilizationTarget wants either a raw value or a utilization.
func validateUtilizationTarget(t *autoscalingv2.MetricTarget, at *field.Path) field.ErrorList {
	errs := validateTarget(t, at)
	if t.AverageUtilization == nil && t.AverageValue == nil {
		errs = append(errs, field.Required(at.Child("averageUtilization"), "must set either a target raw value or a target utilization"))
	}
	if t.AverageUtilization != nil && t.AverageValue != nil {
		errs = append(errs, field.Forbidden(at.Child("averageValue"), "may not set both a target raw value and a target utilization"))
	}
	return errs
}

func validateTarget(t *autoscalingv2.MetricTarget, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if t.Type == "" {
		errs = append(errs, field.Required(at.Child("type"), "must specify a metric target type"))
	}
	switch t.Type {
	case autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType:
	default:
		errs = append(errs, field.Invalid(at.Child("type"), t.Type, "must be either Utilization, Value, or AverageValue"))
	}
	if t.Value != nil && t.Value.Sign() != 1 {
		errs = append(errs, field.Invalid(at.Child("value"), t.Value, "must be positive"))
	}
	if t.AverageValue != nil && t.AverageValue.Sign() != 1 {
		errs = append(errs, field.Invalid(at.Child("averageValue"), t.AverageValue, "must be positive"))
	}
	if t.AverageUtilization != nil && *t.AverageUtilization < 1 {
		errs = append(errs, field.Invalid(at.Child("averageUtilization"), *t.AverageUtilization, "must be greater than 0"))
	}
	return errs
}

func validateMetricName(name string, source *field.Path) field.ErrorList {
	return validateSegment(name, "must specify a metric name", source.Child("metric", "name"))
}
