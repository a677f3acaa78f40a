package resource

import (
	"fmt"
	"strconv"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxDiscreteValues is how many values a policy may list.
const maxDiscreteValues = 10

// validateOwnCapacity is for devices that one claim has alone: there is nothing
// to divide.
func validateOwnCapacity(c resourcev1.DeviceCapacity, at *field.Path) field.ErrorList {
	if c.RequestPolicy == nil {
		return nil
	}
	return field.ErrorList{field.Forbidden(at.Child("requestPolicy"), "allowMultipleAllocations must be true")}
}

// validateSharedCapacity checks how much of a capacity claims may ask for.
func validateSharedCapacity(c resourcev1.DeviceCapacity, at *field.Path) field.ErrorList {
	p, at := c.RequestPolicy, at.Child("requestPolicy")
	switch {
	case p == nil:
		return nil
	case len(p.ValidValues) > 0 && p.ValidRange != nil:
		return field.ErrorList{field.Forbidden(at, `exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`)}
	case len(p.ValidValues) > 0:
		if p.Default == nil {
			return field.ErrorList{field.Required(at.Child("default"), "required when validValues is defined")}
		}
		return validateDiscrete(*p.Default, c.Value, p.ValidValues, at.Child("validValues"))
	case p.ValidRange != nil:
		if p.Default == nil {
			return field.ErrorList{field.Required(at.Child("default"), "required when validRange is defined")}
		}
		return validateRange(*p.Default, c.Value, p.ValidRange, at.Child("validRange"))
	}
	return nil
}

func validateDiscrete(standard, capacity resource.Quantity, values []resource.Quantity, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := 1; i < len(values); i++ {
		if values[i-1].Cmp(values[i]) > 0 {
			errs = append(errs, field.Invalid(at.Index(i), values[i].String(), "values must be sorted in ascending order"))
		}
	}
	found := false
	errs = append(errs, set(values, maxDiscreteValues, func(q resource.Quantity) string { return strconv.FormatInt(q.Value(), 10) }, at,
		func(q resource.Quantity, at *field.Path) field.ErrorList {
			found = found || q.Cmp(standard) == 0
			if q.Cmp(capacity) > 0 {
				return field.ErrorList{field.Invalid(at, q.String(), "option is larger than capacity value: "+capacity.String())}
			}
			return nil
		})...)
	if !found {
		errs = append(errs, field.Invalid(at, standard.String(), "default value is not valid according to the requestPolicy"))
	}
	return errs
}

func validateRange(standard, capacity resource.Quantity, r *resourcev1.CapacityRequestPolicyRange, at *field.Path) field.ErrorList {
	if r.Min == nil {
		return field.ErrorList{field.Required(at.Child("min"), "required when validRange is defined")}
	}
	var errs field.ErrorList
	if r.Min.Cmp(capacity) > 0 {
		errs = append(errs, field.Invalid(at.Child("min"), r.Min.String(), "min is larger than capacity value: "+capacity.String()))
	}
	if standard.Cmp(*r.Min) < 0 {
		errs = append(errs, field.Invalid(at.Child("default"), standard.String(), "default is less than min: "+r.Min.String()))
	}
	if r.Max != nil {
		if r.Min.Cmp(*r.Max) > 0 {
			errs = append(errs, field.Invalid(at.Child("max"), r.Min.String(), "min is larger than max: "+r.Max.String()))
		}
		if r.Max.Cmp(capacity) > 0 {
			errs = append(errs, field.Invalid(at.Child("max"), r.Max.String(), "max is larger than capacity value: "+capacity.String()))
		}
		if standard.Cmp(*r.Max) > 0 {
			errs = append(errs, field.Invalid(at.Child("default"), standard.String(), "default is more than max: "+r.Max.String()))
		}
	}
	if r.Step == nil {
		return errs
	}
	if r.Step.Sign() <= 0 || r.Step.Value() <= 0 {
		// A step whose whole number is not positive cannot be counted in.
		return append(errs, field.Invalid(at.Child("step"), r.Step.String(), "must be greater than zero"))
	}
	added := r.Min.DeepCopy()
	added.Add(*r.Step)
	if added.Cmp(capacity) > 0 {
		errs = append(errs, field.Invalid(at.Child("step"), r.Step.String(), fmt.Sprintf("one step %s is larger than capacity value: %s", added.String(), capacity.String())))
	}
	errs = append(errs, validateStep(standard, r, at.Child("step"))...)
	if r.Max != nil {
		errs = append(errs, validateStep(*r.Max, r, at.Child("step"))...)
	}
	return errs
}

// validateStep wants a value to be some whole steps above the least one.
func validateStep(value resource.Quantity, r *resourcev1.CapacityRequestPolicyRange, at *field.Path) field.ErrorList {
	if (value.Value()-r.Min.Value())%r.Step.Value() == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, value.String(), fmt.Sprintf("value is not a multiple of a given step (%s) from (%s)", r.Step.String(), r.Min.String()))}
}
