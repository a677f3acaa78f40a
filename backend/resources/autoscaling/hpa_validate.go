package autoscaling

import (
	"fmt"

	"pilothouse/backend/resources/validate"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of the behaviour, in seconds.
const (
	maxPeriodSeconds              int32 = 1800
	maxStabilizationWindowSeconds int32 = 3600
)

// referenceRules say what a reference to another object may leave out.
type referenceRules struct{ allowNoGroup, anyVersion bool }

// specRules are what the spec must meet, given the object that it replaces.
type specRules struct {
	minReplicas int32
	target      referenceRules
}

// rulesFor gives the rules for h replacing old, which is nil for a new object.
// Only an object that has zero replicas may keep them, and a target whose kind
// and version stay is not looked at again.
func rulesFor(h, old *autoscalingv2.HorizontalPodAutoscaler) specRules {
	rules := specRules{minReplicas: 1}
	if old != nil && old.Spec.MinReplicas != nil && *old.Spec.MinReplicas == 0 {
		rules.minReplicas = 0
	}
	target := h.Spec.ScaleTargetRef
	switch {
	case old != nil && old.Spec.ScaleTargetRef.APIVersion == target.APIVersion && old.Spec.ScaleTargetRef.Kind == target.Kind:
		rules.target.anyVersion = true
	case target.Kind == "ReplicationController":
		rules.target.allowNoGroup = true
	}
	return rules
}

func validateSpec(s *autoscalingv2.HorizontalPodAutoscalerSpec, rules specRules, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.MinReplicas != nil && *s.MinReplicas < rules.minReplicas {
		errs = append(errs, field.Invalid(at.Child("minReplicas"), *s.MinReplicas,
			fmt.Sprintf("must be greater than or equal to %d", rules.minReplicas)))
	}
	if s.MaxReplicas == 0 {
		errs = append(errs, field.Required(at.Child("maxReplicas"), "must be set and greater than 0"))
	} else if s.MaxReplicas < 1 {
		errs = append(errs, field.Invalid(at.Child("maxReplicas"), s.MaxReplicas, "must be greater than or equal to 1"))
	}
	if s.MinReplicas != nil && s.MaxReplicas < *s.MinReplicas {
		errs = append(errs, field.Invalid(at.Child("maxReplicas"), s.MaxReplicas, "must be greater than or equal to `minReplicas`"))
	}
	errs = append(errs, validateReference(&s.ScaleTargetRef, rules.target, at.Child("scaleTargetRef"))...)
	errs = append(errs, validateMetrics(s.Metrics, s.MinReplicas, at.Child("metrics"))...)
	if b := s.Behavior; b != nil {
		errs = append(errs, validateScalingRules(b.ScaleUp, at.Child("behavior", "scaleUp"))...)
		errs = append(errs, validateScalingRules(b.ScaleDown, at.Child("behavior", "scaleDown"))...)
	}
	return errs
}

func validateReference(ref *autoscalingv2.CrossVersionObjectReference, rules referenceRules, at *field.Path) field.ErrorList {
	errs := validateSegment(ref.Kind, "", at.Child("kind"))
	errs = append(errs, validateSegment(ref.Name, "", at.Child("name"))...)
	if rules.anyVersion {
		return errs
	}
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	switch {
	case err != nil:
		errs = append(errs, field.Invalid(at.Child("apiVersion"), ref.APIVersion, err.Error()))
	case version.Group == "" && !rules.allowNoGroup:
		errs = append(errs, field.Invalid(at.Child("apiVersion"), ref.APIVersion, "apiVersion must specify API group"))
	}
	return errs
}

// validateSegment wants something that fits into a path.
func validateSegment(value, required string, at *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(at, required)}
	}
	return validate.Messages(at, value, path.IsValidPathSegmentName(value))
}

func validateScalingRules(r *autoscalingv2.HPAScalingRules, at *field.Path) field.ErrorList {
	if r == nil {
		return nil
	}
	var errs field.ErrorList
	if w := r.StabilizationWindowSeconds; w != nil {
		window := at.Child("stabilizationWindowSeconds")
		if *w < 0 {
			errs = append(errs, field.Invalid(window, *w, "must be greater than or equal to zero"))
		}
		if *w > maxStabilizationWindowSeconds {
			errs = append(errs, field.Invalid(window, *w, fmt.Sprintf("must be less than or equal to %v", maxStabilizationWindowSeconds)))
		}
	}
	if r.SelectPolicy != nil {
		errs = append(errs, validate.OneOf(at.Child("selectPolicy"), *r.SelectPolicy, []autoscalingv2.ScalingPolicySelect{
			autoscalingv2.DisabledPolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect,
		})...)
	}
	policies := at.Child("policies")
	if len(r.Policies) == 0 {
		errs = append(errs, field.Required(policies, "must specify at least one Policy"))
	}
	for i := range r.Policies {
		errs = append(errs, validateScalingPolicy(&r.Policies[i], policies.Index(i))...)
	}
	if r.Tolerance != nil {
		errs = append(errs, validate.NonnegativeQuantity(*r.Tolerance, at.Child("tolerance"))...)
	}
	return errs
}

func validateScalingPolicy(p *autoscalingv2.HPAScalingPolicy, at *field.Path) field.ErrorList {
	errs := validate.OneOf(at.Child("type"), p.Type, []autoscalingv2.HPAScalingPolicyType{
		autoscalingv2.PercentScalingPolicy, autoscalingv2.PodsScalingPolicy,
	})
	if p.Value <= 0 {
		errs = append(errs, field.Invalid(at.Child("value"), p.Value, "must be greater than zero"))
	}
	period := at.Child("periodSeconds")
	if p.PeriodSeconds <= 0 {
		errs = append(errs, field.Invalid(period, p.PeriodSeconds, "must be greater than zero"))
	}
	if p.PeriodSeconds > maxPeriodSeconds {
		errs = append(errs, field.Invalid(period, p.PeriodSeconds, fmt.Sprintf("must be less than or equal to %v", maxPeriodSeconds)))
	}
	return errs
}

func validateStatus(s *autoscalingv2.HorizontalPodAutoscalerStatus, at *field.Path) field.ErrorList {
	errs := apivalidation.ValidateNonnegativeField(int64(s.CurrentReplicas), at.Child("currentReplicas"))
	return append(errs, apivalidation.ValidateNonnegativeField(int64(s.DesiredReplicas), at.Child("desiredReplicas"))...)
}
