package apps

import (
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	specPath     = field.NewPath("spec")
	templatePath = field.NewPath("spec", "template")
	statusPath   = field.NewPath("status")
)

// updateOptions are the options for a template that is updated from old.
func updateOptions(env *registry.Env, old *corev1.PodTemplateSpec) podspec.Options {
	return podspec.ForUpdate(env.AllowPrivileged, &old.Spec, &old.ObjectMeta)
}

// validateSelector wants a selector that is there and not empty; kind is the
// word that the error says.
func validateSelector(s *metav1.LabelSelector, kind string, o podspec.Options) field.ErrorList {
	path := specPath.Child("selector")
	if s == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{AllowInvalidLabelValueInSelector: o.AllowInvalidSelectorValues}, path)
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path, s, "empty selector is invalid for "+kind))
	}
	return errs
}

// nonnegative looks at numbers by the names of their fields.
func nonnegative(path *field.Path, numbers ...number) field.ErrorList {
	var errs field.ErrorList
	for _, n := range numbers {
		errs = append(errs, apivalidation.ValidateNonnegativeField(n.value, path.Child(n.name))...)
	}
	return errs
}

// number is a field that holds a number.
type number struct {
	name  string
	value int64
}

// num is a number of a field that is always there.
func num[T int32 | int64](name string, value T) number { return number{name, int64(value)} }

// optional is a number of a field that may be missing, which counts as zero.
func optional[T int32 | int64](name string, value *T) number {
	if value == nil {
		return number{name: name}
	}
	return number{name, int64(*value)}
}

// atMost refuses numbers that are greater than a limit.
func atMost(path *field.Path, limit int32, detail string, numbers ...number) field.ErrorList {
	var errs field.ErrorList
	for _, n := range numbers {
		if n.value > int64(limit) {
			errs = append(errs, field.Invalid(path.Child(n.name), int32(n.value), detail))
		}
	}
	return errs
}

const greaterThanReplicas = "cannot be greater than status.replicas"

// collisionsKept refuses a count of collisions that goes down.
func collisionsKept(count, old *int32) field.ErrorList {
	if old == nil || count != nil && *count >= *old {
		return nil
	}
	value := int32(0)
	if count != nil {
		value = *count
	}
	return field.ErrorList{field.Invalid(statusPath.Child("collisionCount"), value, "cannot be decremented")}
}

// intOrPercent wants a number that is not negative or a percentage.
func intOrPercent(v *intstr.IntOrString, path *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	if v.Type == intstr.String {
		return validate.Messages(path, v, validation.IsValidPercent(v.StrVal))
	}
	return apivalidation.ValidateNonnegativeField(int64(v.IntVal), path)
}

// percent gives the number of a percentage.
func percent(v *intstr.IntOrString) (int, bool) {
	if v == nil || v.Type != intstr.String || len(validation.IsValidPercent(v.StrVal)) > 0 {
		return 0, false
	}
	n, err := strconv.Atoi(v.StrVal[:len(v.StrVal)-1])
	return n, err == nil
}

// isZero tells 0, 0% and what is neither a number nor a percentage.
func isZero(v *intstr.IntOrString) bool {
	if v == nil {
		return true
	}
	if n, ok := percent(v); ok {
		return n == 0
	}
	return v.IntValue() == 0
}

// atMostAll refuses more than 100%.
func atMostAll(v *intstr.IntOrString, path *field.Path) field.ErrorList {
	if n, ok := percent(v); ok && n > 100 {
		return field.ErrorList{field.Invalid(path, v, "must not be greater than 100%")}
	}
	return nil
}

// wideColumns are the containers of a template, which show with -o wide.
var wideColumns = []registry.Column{
	printers.Wide("Containers", "Names of each container in the template."),
	printers.Wide("Images", "Images referenced by each container in the template."),
}

// count gives the number of an optional field.
func count(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
