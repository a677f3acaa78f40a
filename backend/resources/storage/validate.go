package storage

import (
	"strings"

	"pilothouse/backend/resources/validate"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxParameters     = 512
	maxParametersSize = 256 << 10
)

// validateProvisioner wants a qualified name; capitals are let through.
func validateProvisioner(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validate.QualifiedName(strings.ToLower(name), at)
}

// validateParameters bounds the parameters of a class: their number and the
// bytes of all keys and values together.
func validateParameters(parameters map[string]string, allowEmpty bool, at *field.Path) field.ErrorList {
	if len(parameters) > maxParameters {
		return field.ErrorList{field.TooLong(at, "", maxParameters)}
	}
	var errs field.ErrorList
	if _, found := parameters[""]; found {
		errs = append(errs, field.Invalid(at, "", "field can not be empty."))
	}
	if sizeOf(parameters) > maxParametersSize {
		errs = append(errs, field.TooLong(at, "", maxParametersSize))
	}
	if !allowEmpty && len(parameters) == 0 {
		errs = append(errs, field.Required(at, "must contain at least one key/value pair"))
	}
	return errs
}

func sizeOf(m map[string]string) int {
	total := 0
	for k, v := range m {
		total += len(k) + len(v)
	}
	return total
}
