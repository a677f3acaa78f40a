package core

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// taintsPath is where Kubernetes reports faults of spec.taints.
var taintsPath = field.NewPath("metadata", "taints")

// validateNode looks at a whole node; old is nil for a new one.
func validateNode(n, old *corev1.Node) field.ErrorList {
	errs := validateNodeAnnotations(n.Annotations)
	errs = append(errs, validateTaints(n.Spec.Taints, taintsPath)...)
	errs = append(errs, validateNodeResources(&n.Status)...)
	if swap := n.Status.NodeInfo.Swap; swap != nil && swap.Capacity != nil && *swap.Capacity <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "nodeSwapStatus", "capacity"), *swap.Capacity, "must be greater than zero"))
	}
	errs = append(errs, validateDeclaredFeatures(n.Status.DeclaredFeatures, field.NewPath("status", "declaredFeatures"))...)
	return append(errs, validatePodCIDRs(n, old)...)
}

// featureName is what a node may declare as a feature.
var featureName = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*$`)

// validateDeclaredFeatures wants the names of features, in order and once.
func validateDeclaredFeatures(features []string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, f := range features {
		if len(f) > validation.DNS1123SubdomainMaxLength {
			errs = append(errs, field.Invalid(path.Index(i), f, fmt.Sprintf("invalid feature name %q: must be no more than %d characters", f, validation.DNS1123SubdomainMaxLength)))
		} else if !featureName.MatchString(f) {
			errs = append(errs, field.Invalid(path.Index(i), f, fmt.Sprintf("invalid feature name %q: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes", f)))
		}
		if i+1 == len(features) {
			break
		}
		switch next := features[i+1]; {
		case f == next:
			errs = append(errs, field.Duplicate(path.Index(i+1), next))
		case f > next:
			errs = append(errs, field.Invalid(path.Index(i+1), next, "list must be sorted alphabetically"))
		}
	}
	return errs
}

func validatePodCIDRs(n, old *corev1.Node) field.ErrorList {
	var existing []string
	if old != nil {
		existing = old.Spec.PodCIDRs
	}
	path, cidrs := specPath.Child("podCIDRs"), n.Spec.PodCIDRs
	var errs field.ErrorList
	for i, c := range cidrs {
		errs = append(errs, validate.CIDR(path.Index(i), c, existing...)...)
	}
	if len(cidrs) < 2 {
		return errs
	}
	dual, err := netutils.IsDualStackCIDRStrings(cidrs)
	if err != nil {
		errs = append(errs, field.InternalError(path, fmt.Errorf("invalid PodCIDRs. failed to check with dual stack with error:%w", err)))
	}
	if !dual || len(cidrs) > 2 {
		errs = append(errs, field.Invalid(path, cidrs, "may specify no more than one CIDR for each IP family"))
	}
	return errs
}

func validateNodeResources(s *corev1.NodeStatus) field.ErrorList {
	var errs field.ErrorList
	check := func(list corev1.ResourceList, name string) {
		for _, k := range slices.Sorted(maps.Keys(list)) {
			errs = append(errs, validate.QuantityOf(k, list[k], field.NewPath("status", name, string(k)))...)
		}
	}
	check(s.Capacity, "capacity")
	check(s.Allocatable, "allocatable")
	return errs
}

// validateNodeChange looks at what an update of a node or of its status may
// change.
func validateNodeChange(n, old *corev1.Node) field.ErrorList {
	errs := validateNodeAnnotations(n.Annotations)
	errs = append(errs, validateNodeResources(&n.Status)...)
	errs = append(errs, validateDeclaredFeatures(n.Status.DeclaredFeatures, field.NewPath("status", "declaredFeatures"))...)
	for i, a := range n.Status.Addresses {
		if slices.Contains(n.Status.Addresses[:i], a) {
			errs = append(errs, field.Duplicate(field.NewPath("status", "addresses").Index(i), validate.Internal(a)))
		}
	}
	errs = append(errs, validatePodCIDRsChange(n.Spec.PodCIDRs, old.Spec.PodCIDRs)...)
	if was := old.Spec.ProviderID; was != "" && was != n.Spec.ProviderID {
		errs = append(errs, field.Forbidden(specPath.Child("providerID"), `node updates may not change providerID except from "" to valid`))
	}
	errs = append(errs, validateTaints(n.Spec.Taints, taintsPath)...)
	if n.Spec.DoNotUseExternalID != old.Spec.DoNotUseExternalID {
		errs = append(errs, field.Forbidden(specPath.Child("externalID"), "may not be updated"))
	}
	return errs
}

// validatePodCIDRsChange lets a controller give a node its ranges once. Each
// range that differs is reported, as Kubernetes does.
func validatePodCIDRsChange(cidrs, was []string) field.ErrorList {
	changed := field.Forbidden(specPath.Child("podCIDRs"), `node updates may not change podCIDR except from "" to valid`)
	if len(was) == 0 {
		return nil
	}
	if len(was) != len(cidrs) {
		return field.ErrorList{changed}
	}
	var errs field.ErrorList
	for i := range was {
		if was[i] != cidrs[i] {
			errs = append(errs, changed)
		}
	}
	return errs
}

var taintEffects = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}

func validateTaints(taints []corev1.Taint, path *field.Path) field.ErrorList {
	type identity struct {
		key    string
		effect corev1.TaintEffect
	}
	seen := map[identity]bool{}
	var errs field.ErrorList
	for i, t := range taints {
		p := path.Index(i)
		errs = append(errs, metav1validation.ValidateLabelName(t.Key, p.Child("key"))...)
		if messages := validation.IsValidLabelValue(t.Value); len(messages) > 0 {
			errs = append(errs, field.Invalid(p.Child("value"), t.Value, strings.Join(messages, ";")))
		}
		if t.Effect == "" {
			errs = append(errs, field.Required(p.Child("effect"), ""))
		} else {
			errs = append(errs, validate.OneOf(p.Child("effect"), t.Effect, taintEffects)...)
		}
		id := identity{t.Key, t.Effect}
		if seen[id] {
			e := field.Duplicate(p, validate.Internal(t))
			e.Detail = "taints must be unique by key and effect pair"
			errs = append(errs, e)
		}
		seen[id] = true
	}
	return errs
}

const taintsAnnotation = "scheduler.alpha.kubernetes.io/taints"

// validateNodeAnnotations looks at annotations that hold JSON.
func validateNodeAnnotations(annotations map[string]string) field.ErrorList {
	path := field.NewPath("metadata", "annotations")
	var errs field.ErrorList
	if text := annotations[taintsAnnotation]; text != "" {
		var taints []corev1.Taint
		if err := json.Unmarshal([]byte(text), &taints); err != nil {
			errs = append(errs, field.Invalid(path, taintsAnnotation, err.Error()))
		} else {
			errs = append(errs, validateTaints(taints, path.Child(taintsAnnotation))...)
		}
	}
	if text := annotations[corev1.PreferAvoidPodsAnnotationKey]; text != "" {
		errs = append(errs, validateAvoidPods(text, path)...)
	}
	return errs
}

func validateAvoidPods(text string, path *field.Path) field.ErrorList {
	var avoid corev1.AvoidPods
	if err := json.Unmarshal([]byte(text), &avoid); err != nil {
		return field.ErrorList{field.Invalid(path.Child("AvoidPods"), corev1.PreferAvoidPodsAnnotationKey, err.Error())}
	}
	var errs field.ErrorList
	for i, entry := range avoid.PreferAvoidPods {
		p := path.Child(corev1.PreferAvoidPodsAnnotationKey).Index(i).Child("PodSignature")
		owner := entry.PodSignature.PodController
		if owner == nil {
			errs = append(errs, field.Required(p, ""))
		} else if !isTrue(owner.Controller) {
			errs = append(errs, field.Invalid(p.Child("PodController", "Controller"), isTrue(owner.Controller), "must point to a controller"))
		}
	}
	return errs
}
