package node

import (
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/validate"

	nodev1 "k8s.io/api/node/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultRuntimeClass rounds the overhead up to what quantities of pods can
// say: thousandths.
func defaultRuntimeClass(c *nodev1.RuntimeClass) {
	if c.Overhead != nil {
		podspec.RoundUp(c.Overhead.PodFixed)
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
		errs = append(errs, podspec.ValidateOverhead(c.Overhead.PodFixed, field.NewPath("overhead"))...)
	}
	if c.Scheduling != nil {
		errs = append(errs, validateScheduling(c.Scheduling, field.NewPath("scheduling"))...)
	}
	return errs
}

func validateScheduling(s *nodev1.Scheduling, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.NodeSelector != nil {
		errs = append(errs, metav1validation.ValidateLabels(s.NodeSelector, at.Child("nodeSelector"))...)
	}
	tolerations := at.Child("tolerations")
	errs = append(errs, validate.Tolerations(s.Tolerations, tolerations)...)
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
