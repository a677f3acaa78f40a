package validate

import (
	"strconv"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// IntOrPercent wants a number that is not negative or a percentage like 30%.
func IntOrPercent(value intstr.IntOrString, path *field.Path) field.ErrorList {
	switch value.Type {
	case intstr.String:
		return Messages(path, value, validation.IsValidPercent(value.StrVal))
	case intstr.Int:
		return apivalidation.ValidateNonnegativeField(int64(value.IntVal), path)
	}
	return field.ErrorList{field.Invalid(path, value, "must be an integer or percentage (e.g '5%%')")}
}

// AtMost100Percent refuses larger percentages; numbers pass.
func AtMost100Percent(value intstr.IntOrString, path *field.Path) field.ErrorList {
	if value.Type != intstr.String || len(validation.IsValidPercent(value.StrVal)) > 0 {
		return nil
	}
	if n, err := strconv.Atoi(value.StrVal[:len(value.StrVal)-1]); err == nil && n <= 100 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, "must not be greater than 100%")}
}

// NumberOrPercent is IntOrPercent and AtMost100Percent.
func NumberOrPercent(value intstr.IntOrString, path *field.Path) field.ErrorList {
	return append(IntOrPercent(value, path), AtMost100Percent(value, path)...)
}
