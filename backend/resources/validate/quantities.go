package validate

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// NonnegativeQuantity refuses quantities below zero.
func NonnegativeQuantity(value resource.Quantity, path *field.Path) field.ErrorList {
	if value.Sign() < 0 {
		return field.ErrorList{field.Invalid(path, value.String(), apivalidation.IsNegativeErrorMsg)}
	}
	return nil
}

// PositiveQuantity refuses zero and less.
func PositiveQuantity(value resource.Quantity, path *field.Path) field.ErrorList {
	if value.Sign() <= 0 {
		return field.ErrorList{field.Invalid(path, value.String(), "must be greater than zero")}
	}
	return nil
}

// BasicQuantity refuses quantities that round to a negative whole number.
func BasicQuantity(value resource.Quantity, path *field.Path) field.ErrorList {
	if value.Value() < 0 {
		return field.ErrorList{field.Invalid(path, value.Value(), "must be a valid resource quantity")}
	}
	return nil
}

// QuantityOf wants a quantity that makes sense for a resource: not negative,
// and whole for resources that are counted.
func QuantityOf(name corev1.ResourceName, value resource.Quantity, path *field.Path) field.ErrorList {
	errs := NonnegativeQuantity(value, path)
	if (countedResources.Has(name) || IsExtendedResource(name)) && value.MilliValue()%1000 != 0 {
		errs = append(errs, field.Invalid(path, value, "must be an integer"))
	}
	return errs
}
