package resource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateSliceSpec(s, old *resourcev1.ResourceSliceSpec, at *field.Path) field.ErrorList {
	errs := validate.CSIDriverName(s.Driver, at.Child("driver"))
	errs = append(errs, validatePool(&s.Pool, at.Child("pool"))...)
	if old != nil {
		errs = append(errs, apivalidation.ValidateImmutableField(s.Pool.Name, old.Pool.Name, at.Child("pool", "name"))...)
		errs = append(errs, apivalidation.ValidateImmutableField(s.Driver, old.Driver, at.Child("driver"))...)
		errs = append(errs, apivalidation.ValidateImmutableField(s.NodeName, old.NodeName, at.Child("nodeName"))...)
	}
	errs = append(errs, validateWhere(s, at)...)
	if s.SharedCounters != nil && s.Devices != nil {
		errs = append(errs, field.Invalid(at, "", "only one of `sharedCounters` or `devices` is allowed"))
	}
	errs = append(errs, set(s.Devices, maxDevices(s), func(d resourcev1.Device) string { return d.Name }, at.Child("devices"),
		func(d resourcev1.Device, at *field.Path) field.ErrorList {
			return validateDevice(&d, deviceOf(old, d.Name), isTrue(s.PerDeviceNodeSelection), at)
		})...)
	return append(errs, set(s.SharedCounters, resourcev1.ResourceSliceMaxCounterSets,
		func(c resourcev1.CounterSet) string { return c.Name }, at.Child("sharedCounters"),
		func(c resourcev1.CounterSet, at *field.Path) field.ErrorList {
			return validateCounters("name", c.Name, c.Counters, resourcev1.ResourceSliceMaxCountersPerCounterSet, at)
		})...)
}

func validatePool(p *resourcev1.ResourcePool, at *field.Path) field.ErrorList {
	errs := validatePoolName(p.Name, at.Child("name"))
	if p.ResourceSliceCount <= 0 {
		errs = append(errs, field.Invalid(at.Child("resourceSliceCount"), p.ResourceSliceCount, "must be greater than zero"))
	}
	if p.Generation < 0 {
		errs = append(errs, field.Invalid(at.Child("generation"), p.Generation, "must be greater than or equal to zero"))
	}
	return errs
}

// validateWhere wants one way to tell which nodes can use the devices.
func validateWhere(s *resourcev1.ResourceSliceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	var given []string
	if s.NodeName != nil {
		if *s.NodeName == "" {
			errs = append(errs, field.Invalid(at.Child("nodeName"), *s.NodeName, "must be either unset or set to a non-empty string"))
		} else {
			given = append(given, "`nodeName`")
			errs = append(errs, validateNodeName(*s.NodeName, at.Child("nodeName"))...)
		}
	}
	if s.NodeSelector != nil {
		given = append(given, "`nodeSelector`")
		errs = append(errs, validate.NodeSelector(s.NodeSelector, false, at.Child("nodeSelector"))...)
		if len(s.NodeSelector.NodeSelectorTerms) != 1 {
			errs = append(errs, field.Invalid(at.Child("nodeSelector", "nodeSelectorTerms"), validate.Internal(s.NodeSelector.NodeSelectorTerms), "must have exactly one node selector term"))
		}
	}
	flag := func(value *bool, name string) {
		switch {
		case value == nil:
		case *value:
			given = append(given, "`"+name+"`")
		default:
			errs = append(errs, field.Invalid(at.Child(name), *value, "must be either unset or set to true"))
		}
	}
	flag(s.AllNodes, "allNodes")
	flag(s.PerDeviceNodeSelection, "perDeviceNodeSelection")
	const one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
	switch len(given) {
	case 0:
		errs = append(errs, field.Required(at, one))
	case 1:
	default:
		errs = append(errs, field.Invalid(at, "{"+strings.Join(given, ", ")+"}", one+", but multiple fields are set"))
	}
	return errs
}

// maxDevices is less for slices whose devices have the larger features.
func maxDevices(s *resourcev1.ResourceSliceSpec) int {
	for i := range s.Devices {
		d := &s.Devices[i]
		if len(d.Taints) > 0 || len(d.ConsumesCounters) > 0 || hasListAttribute(d) {
			return resourcev1.ResourceSliceMaxDevicesWithAdvancedFeatures
		}
	}
	return resourcev1.ResourceSliceMaxDevices
}

func deviceOf(s *resourcev1.ResourceSliceSpec, name string) *resourcev1.Device {
	if s == nil {
		return nil
	}
	for i := range s.Devices {
		if s.Devices[i].Name == name {
			return &s.Devices[i]
		}
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

func validateDevice(d, old *resourcev1.Device, ownNodes bool, at *field.Path) field.ErrorList {
	errs := validate.DNSLabel(d.Name, at.Child("name"))
	const most = resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice
	if n := len(d.Attributes) + len(d.Capacity); n > most {
		errs = append(errs, field.Invalid(at, n, fmt.Sprintf("the total number of attributes and capacities must not exceed %d", most)))
	}
	if n := countValues(d); n > resourcev1.ResourceSliceMaxAttributeValuesPerDevice {
		errs = append(errs, field.Invalid(at, n, fmt.Sprintf("the total number of attribute values must not exceed %d", resourcev1.ResourceSliceMaxAttributeValuesPerDevice)))
	}
	errs = append(errs, mapping(d.Attributes, -1, maxQualifiedName, at.Child("attributes"), validateQualifiedName, validateAttribute)...)
	if old == nil || !equality.Semantic.DeepEqual(old.Capacity, d.Capacity) {
		check := validateOwnCapacity
		if isTrue(d.AllowMultipleAllocations) {
			check = validateSharedCapacity
		}
		errs = append(errs, mapping(d.Capacity, -1, maxQualifiedName, at.Child("capacity"), validateQualifiedName, check)...)
	}
	if old == nil || !equality.Semantic.DeepEqual(old.Taints, d.Taints) {
		errs = append(errs, slice(d.Taints, resourcev1.DeviceTaintsMaxLength, at.Child("taints"), validateTaint)...)
	}
	errs = append(errs, set(d.ConsumesCounters, resourcev1.ResourceSliceMaxDeviceCounterConsumptionsPerDevice,
		func(c resourcev1.DeviceCounterConsumption) string { return c.CounterSet }, at.Child("consumesCounters"),
		func(c resourcev1.DeviceCounterConsumption, at *field.Path) field.ErrorList {
			return validateCounters("counterSet", c.CounterSet, c.Counters, resourcev1.ResourceSliceMaxCountersPerDeviceCounterConsumption, at)
		})...)
	errs = append(errs, validateDeviceNodes(d, ownNodes, at)...)
	return append(errs, validateBindingConditions(d.BindingConditions, d.BindingFailureConditions, at)...)
}

func countValues(d *resourcev1.Device) int {
	n := 0
	for _, a := range d.Attributes {
		n += max(1, len(a.BoolValues)+len(a.IntValues)+len(a.StringValues)+len(a.VersionValues))
	}
	return n
}

// validateDeviceNodes wants one way to tell a device's nodes where the slice
// leaves that to devices, none where it does not.
func validateDeviceNodes(d *resourcev1.Device, own bool, at *field.Path) field.ErrorList {
	if !own {
		if d.NodeName != nil || d.NodeSelector != nil || d.AllNodes != nil {
			return field.ErrorList{field.Invalid(at, nil, "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec")}
		}
		return nil
	}
	var errs field.ErrorList
	var given []string
	if d.NodeName != nil {
		if *d.NodeName == "" {
			errs = append(errs, field.Invalid(at.Child("nodeName"), *d.NodeName, "must not be empty"))
		} else {
			given = append(given, "`nodeName`")
			errs = append(errs, validateNodeName(*d.NodeName, at.Child("nodeName"))...)
		}
	}
	if d.NodeSelector != nil {
		given = append(given, "`nodeSelector`")
		errs = append(errs, validate.NodeSelector(d.NodeSelector, false, at.Child("nodeSelector"))...)
	}
	if d.AllNodes != nil {
		if *d.AllNodes {
			given = append(given, "`allNodes`")
		} else {
			errs = append(errs, field.Invalid(at.Child("allNodes"), *d.AllNodes, "must be either unset or set to true"))
		}
	}
	const one = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
	switch len(given) {
	case 0:
		errs = append(errs, field.Required(at, one))
	case 1:
	default:
		errs = append(errs, field.Invalid(at, "{"+strings.Join(given, ", ")+"}", one))
	}
	return errs
}

// semver is a version as semver.org has it.
var semver = func() *regexp.Regexp {
	const number, pre, build = `(0|[1-9]\d*)`, `(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)`, `[0-9a-zA-Z-]+`
	return regexp.MustCompile(`^` + number + `\.` + number + `\.` + number + `(-` + pre + `(\.` + pre + `)*)?(\+` + build + `(\.` + build + `)*)?$`)
}()

func validateAttribute(a resourcev1.DeviceAttribute, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	given := 0
	value := func(there bool, check func()) {
		if there {
			given++
			check()
		}
	}
	value(a.BoolValue != nil, func() {})
	value(a.IntValue != nil, func() {})
	value(a.StringValue != nil, func() { errs = append(errs, validateText(*a.StringValue, at.Child("string"))...) })
	value(a.VersionValue != nil, func() { errs = append(errs, validateVersion(*a.VersionValue, at.Child("version"))...) })
	const empty = "must not be empty if specified"
	value(a.BoolValues != nil, func() {
		if len(a.BoolValues) == 0 {
			errs = append(errs, field.Invalid(at.Child("bools"), a.BoolValues, empty))
		}
	})
	value(a.IntValues != nil, func() {
		if len(a.IntValues) == 0 {
			errs = append(errs, field.Invalid(at.Child("ints"), a.IntValues, empty))
		}
	})
	value(a.StringValues != nil, func() {
		if len(a.StringValues) == 0 {
			errs = append(errs, field.Invalid(at.Child("strings"), a.StringValues, empty))
		}
		errs = append(errs, slice(a.StringValues, -1, at.Child("strings"), validateText)...)
	})
	value(a.VersionValues != nil, func() {
		if len(a.VersionValues) == 0 {
			errs = append(errs, field.Invalid(at.Child("versions"), a.VersionValues, empty))
		}
		errs = append(errs, slice(a.VersionValues, -1, at.Child("versions"), validateVersion)...)
	})
	const one = "exactly one value must be specified"
	switch given {
	case 0:
		errs = append(errs, field.Invalid(at, "", one))
	case 1:
	default:
		errs = append(errs, field.Invalid(at, validate.Internal(a), one))
	}
	return errs
}

func validateText(s string, at *field.Path) field.ErrorList {
	if len(s) > resourcev1.DeviceAttributeMaxValueLength {
		return field.ErrorList{field.TooLong(at, "", resourcev1.DeviceAttributeMaxValueLength)}
	}
	return nil
}

func validateVersion(s string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !semver.MatchString(s) {
		errs = append(errs, field.Invalid(at, s, "must be a string compatible with semver.org spec 2.0.0"))
	}
	return append(errs, validateText(s, at)...)
}

func validateTaint(t resourcev1.DeviceTaint, at *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabelName(t.Key, at.Child("key"))
	if t.Value != "" {
		errs = append(errs, validate.Messages(at.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))...)
	}
	if t.Effect == "" {
		return append(errs, field.Required(at.Child("effect"), ""))
	}
	return append(errs, validate.OneOf(at.Child("effect"), t.Effect, effects)...)
}

// validateCounters checks a set of counters, or what a device takes of one.
func validateCounters(nameField, name string, counters map[string]resourcev1.Counter, most int, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(at.Child(nameField), ""))
	} else {
		errs = append(errs, validate.DNSLabel(name, at.Child(nameField))...)
	}
	if len(counters) == 0 {
		return append(errs, field.Required(at.Child("counters"), ""))
	}
	return append(errs, mapping(counters, most, validation.DNS1123LabelMaxLength, at.Child("counters"), validate.DNSLabel,
		func(resourcev1.Counter, *field.Path) field.ErrorList { return nil })...)
}

// validateBindingConditions wants both kinds of conditions or none, and each
// condition once.
func validateBindingConditions(wait, fail []string, at *field.Path) field.ErrorList {
	waits, fails := at.Child("bindingConditions"), at.Child("bindingFailureConditions")
	errs := slice(wait, resourcev1.BindingConditionsMaxSize, waits, metav1validation.ValidateLabelName)
	errs = append(errs, slice(fail, resourcev1.BindingFailureConditionsMaxSize, fails, metav1validation.ValidateLabelName)...)
	for i, condition := range wait {
		if slices.Contains(wait[:i], condition) {
			errs = append(errs, field.Duplicate(waits.Index(i), condition))
		}
	}
	for i, condition := range fail {
		if slices.Contains(fail[:i], condition) {
			errs = append(errs, field.Duplicate(fails.Index(i), condition))
		}
		if slices.Contains(wait, condition) {
			errs = append(errs, field.Invalid(fails.Index(i), condition, "bindingFailureConditions must not overlap with bindingConditions"))
		}
	}
	if len(wait) == 0 && len(fail) > 0 {
		errs = append(errs, field.Invalid(waits, wait, "bindingConditions are required to use bindingFailureConditions"))
	}
	if len(fail) == 0 && len(wait) > 0 {
		errs = append(errs, field.Invalid(fails, fail, "bindingFailureConditions are required to use bindingConditions"))
	}
	return errs
}
