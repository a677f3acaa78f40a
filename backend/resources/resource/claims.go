package resource

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
)

// requestNames are the names of a claim's requests, each with those of its
// alternatives.
type requestNames map[string][]string

func namesOf(c *resourcev1.DeviceClaim) requestNames {
	names := requestNames{}
	for _, r := range c.Requests {
		names[r.Name] = nil
		for _, sub := range r.FirstAvailable {
			names[r.Name] = append(names[r.Name], sub.Name)
		}
	}
	return names
}

// has tells whether ref is a request, or one of its alternatives as "a/b".
func (n requestNames) has(ref string) bool {
	name, sub, both := strings.Cut(ref, "/")
	subs, found := n[name]
	return found && (!both || slices.Contains(subs, sub))
}

// validateClaim checks what a claim asks for.
func validateClaim(c *resourcev1.DeviceClaim, at *field.Path) field.ErrorList {
	names := namesOf(c)
	errs := set(c.Requests, resourcev1.DeviceRequestsMaxSize,
		func(r resourcev1.DeviceRequest) string { return r.Name }, at.Child("requests"), validateRequest)
	errs = append(errs, slice(c.Constraints, resourcev1.DeviceConstraintsMaxSize, at.Child("constraints"),
		func(c resourcev1.DeviceConstraint, at *field.Path) field.ErrorList {
			return validateConstraint(&c, names, at)
		})...)
	return append(errs, slice(c.Config, resourcev1.DeviceConfigMaxSize, at.Child("config"),
		func(c resourcev1.DeviceClaimConfiguration, at *field.Path) field.ErrorList {
			errs := validateRequestRefs(c.Requests, names, at.Child("requests"))
			return append(errs, validateConfiguration(&c.DeviceConfiguration, at)...)
		})...)
}

func validateRequest(r resourcev1.DeviceRequest, at *field.Path) field.ErrorList {
	errs := validateRequestName(r.Name, at.Child("name"))
	const one = "exactly one of `exactly` or `firstAvailable` is required"
	switch {
	case r.Exactly == nil && len(r.FirstAvailable) == 0:
		return append(errs, field.Required(at, one))
	case r.Exactly != nil && len(r.FirstAvailable) > 0:
		return append(errs, field.Invalid(at, nil, one+", but multiple fields are set"))
	case r.Exactly != nil:
		e, at := r.Exactly, at.Child("exactly")
		return append(errs, validateDeviceRequest(e.DeviceClassName, e.Selectors, e.AllocationMode, e.Count, e.Tolerations, at)...)
	}
	return append(errs, set(r.FirstAvailable, resourcev1.FirstAvailableDeviceRequestMaxSize,
		func(s resourcev1.DeviceSubRequest) string { return s.Name }, at.Child("firstAvailable"),
		func(s resourcev1.DeviceSubRequest, at *field.Path) field.ErrorList {
			errs := validateRequestName(s.Name, at.Child("name"))
			return append(errs, validateDeviceRequest(s.DeviceClassName, s.Selectors, s.AllocationMode, s.Count, s.Tolerations, at)...)
		})...)
}

func validateRequestName(name string, at *field.Path) field.ErrorList {
	return validate.DNSLabel(name, at)
}

// validateDeviceRequest checks what a request and an alternative have in common.
func validateDeviceRequest(class string, selectors []resourcev1.DeviceSelector, mode resourcev1.DeviceAllocationMode, count int64, tolerations []resourcev1.DeviceToleration, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if class == "" {
		errs = append(errs, field.Required(at.Child("deviceClassName"), ""))
	} else {
		errs = append(errs, validate.DNSSubdomain(class, at.Child("deviceClassName"))...)
	}
	errs = append(errs, validateSelectors(selectors, at.Child("selectors"))...)
	switch mode {
	case resourcev1.DeviceAllocationModeAll:
		if count != 0 {
			errs = append(errs, field.Invalid(at.Child("count"), count, fmt.Sprintf("must not be specified when allocationMode is '%s'", mode)))
		}
	case resourcev1.DeviceAllocationModeExactCount:
		if count <= 0 {
			errs = append(errs, field.Invalid(at.Child("count"), count, "must be greater than zero"))
		}
	default:
		errs = append(errs, field.NotSupported(at.Child("allocationMode"), mode, []resourcev1.DeviceAllocationMode{
			resourcev1.DeviceAllocationModeAll, resourcev1.DeviceAllocationModeExactCount,
		}))
	}
	return append(errs, validateTolerations(tolerations, at.Child("tolerations"))...)
}

// effects are those of taints, sorted as errors list them.
var effects = []resourcev1.DeviceTaintEffect{
	resourcev1.DeviceTaintEffectNoExecute, resourcev1.DeviceTaintEffectNoSchedule, resourcev1.DeviceTaintEffectNone,
}

func validateTolerations(tolerations []resourcev1.DeviceToleration, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, t := range tolerations {
		at := at.Index(i)
		if t.Key != "" {
			errs = append(errs, metav1validation.ValidateLabelName(t.Key, at.Child("key"))...)
		}
		switch t.Operator {
		case resourcev1.DeviceTolerationOpExists:
			if t.Value != "" {
				errs = append(errs, field.Invalid(at.Child("value"), t.Value, "must be empty for operator `Exists`"))
			}
		case resourcev1.DeviceTolerationOpEqual:
			errs = append(errs, validate.Messages(at.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))...)
		case "":
			errs = append(errs, field.Required(at.Child("operator"), ""))
		default:
			errs = append(errs, field.NotSupported(at.Child("operator"), t.Operator, []resourcev1.DeviceTolerationOperator{
				resourcev1.DeviceTolerationOpEqual, resourcev1.DeviceTolerationOpExists,
			}))
		}
		if t.Effect != "" {
			errs = append(errs, validate.OneOf(at.Child("effect"), t.Effect, effects)...)
		}
	}
	return errs
}

func validateConstraint(c *resourcev1.DeviceConstraint, names requestNames, at *field.Path) field.ErrorList {
	errs := validateRequestRefs(c.Requests, names, at.Child("requests"))
	switch {
	case c.MatchAttribute != nil:
		return append(errs, validateFullName(*c.MatchAttribute, at.Child("matchAttribute"))...)
	case c.DistinctAttribute != nil:
		return append(errs, validateFullName(*c.DistinctAttribute, at.Child("distinctAttribute"))...)
	}
	return append(errs, field.Required(at, `exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set`))
}

func validateRequestRefs(refs []string, names requestNames, at *field.Path) field.ErrorList {
	return set(refs, resourcev1.DeviceRequestsMaxSize, itself, at, func(ref string, at *field.Path) field.ErrorList {
		return validateRequestRef(ref, names, at)
	})
}

func validateRequestRef(ref string, names requestNames, at *field.Path) field.ErrorList {
	const unknown = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
	segments := strings.Split(ref, "/")
	if len(segments) > 2 {
		return field.ErrorList{field.Invalid(at, ref, unknown)}
	}
	var errs field.ErrorList
	for _, segment := range segments {
		errs = append(errs, validateRequestName(segment, at)...)
	}
	if !names.has(ref) {
		errs = append(errs, field.Invalid(at, ref, unknown))
	}
	return errs
}

// validateConfiguration checks parameters that only the driver understands.
func validateConfiguration(c *resourcev1.DeviceConfiguration, at *field.Path) field.ErrorList {
	if c.Opaque == nil {
		return field.ErrorList{field.Required(at.Child("opaque"), "")}
	}
	errs := validate.CSIDriverName(c.Opaque.Driver, at.Child("opaque", "driver"))
	return append(errs, validateJSONObject(&c.Opaque.Parameters, resourcev1.OpaqueParametersMaxLength, at.Child("opaque", "parameters"))...)
}

// validateJSONObject wants a JSON object of at most so many bytes.
func validateJSONObject(e *runtime.RawExtension, most int, at *field.Path) field.ErrorList {
	if len(e.Raw) == 0 {
		return field.ErrorList{field.Required(at, "")}
	}
	if len(e.Raw) > most {
		return field.ErrorList{field.TooLong(at, "", most)}
	}
	var v any
	if err := json.Unmarshal(e.Raw, &v); err != nil {
		return field.ErrorList{field.Invalid(at, "<value omitted>", fmt.Sprintf("error parsing data as JSON: %v", err))}
	}
	if v == nil {
		return field.ErrorList{field.Required(at, "")}
	}
	if _, object := v.(map[string]any); !object {
		return field.ErrorList{field.Invalid(at, "<value omitted>", "must be a valid JSON object")}
	}
	return nil
}
