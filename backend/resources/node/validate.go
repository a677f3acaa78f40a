package node

import (
	"maps"
	"slices"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultRuntimeClass rounds the overhead up to what quantities of pods can
// say: thousandths.
func defaultRuntimeClass(c *nodev1.RuntimeClass) {
	if c.Overhead == nil {
		return
	}
	for name, quantity := range c.Overhead.PodFixed {
		quantity.RoundUp(resource.Milli)
		c.Overhead.PodFixed[name] = quantity
	}
}

func validateRuntimeClass(c *nodev1.RuntimeClass) field.ErrorList {
	var errs field.ErrorList
	if c.Handler == "" {
		errs = append(errs, field.Required(field.NewPath("handler"), ""))
	} else {
		errs = append(errs, validate.DNSLabel(c.Handler, field.NewPath("handler"))...)
	}
	if c.Overhead != nil {
		errs = append(errs, validateOverhead(c.Overhead.PodFixed, field.NewPath("overhead"))...)
	}
	if c.Scheduling != nil {
		errs = append(errs, validateScheduling(c.Scheduling, field.NewPath("scheduling"))...)
	}
	return errs
}

// validateOverhead checks the overhead as Kubernetes does, as if it were the
// limits of a container; the paths say so.
func validateOverhead(fixed corev1.ResourceList, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	hugePages, computes := false, false
	for _, name := range slices.Sorted(maps.Keys(fixed)) {
		path := at.Child("limits").Key(string(name))
		errs = append(errs, validate.ContainerResourceName(name, path)...)
		errs = append(errs, validate.QuantityOf(name, fixed[name], path)...)
		hugePages = hugePages || validate.IsHugePageResource(name)
		computes = computes || name == corev1.ResourceCPU || name == corev1.ResourceMemory
	}
	if hugePages && !computes {
		errs = append(errs, field.Forbidden(at, "HugePages require cpu or memory"))
	}
	return errs
}

func validateScheduling(s *nodev1.Scheduling, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.NodeSelector != nil {
		errs = append(errs, metav1validation.ValidateLabels(s.NodeSelector, at.Child("nodeSelector"))...)
	}
	tolerations := at.Child("tolerations")
	errs = append(errs, validate.Tolerations(s.Tolerations, tolerations.Child("tolerations"))...)
	for i := range s.Tolerations {
		for j := range i {
			if s.Tolerations[i].MatchToleration(&s.Tolerations[j]) {
				errs = append(errs, field.Duplicate(tolerations.Index(i), validate.Internal(s.Tolerations[i])))
				break
			}
		}
	}
	return errs
}
