package scheduling

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	systemPrefix = "system-"
	// highestUserPriority is the largest value that a class not of the system
	// may have.
	highestUserPriority = 1_000_000_000
)

// SystemPriorityClasses are the classes that every cluster has: values above
// all others, for what must run. Their names are the only ones that may begin
// with "system-".
var SystemPriorityClasses = []schedulingv1.PriorityClass{
	systemClass("system-node-critical", 2*highestUserPriority+1000,
		"Used for system critical pods that must not be moved from their current node."),
	systemClass("system-cluster-critical", 2*highestUserPriority,
		"Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."),
}

func systemClass(name string, value int32, description string) schedulingv1.PriorityClass {
	c := schedulingv1.PriorityClass{Value: value, Description: description}
	c.Name = name
	return c
}

// priorityClasses give pods their priority. Value and preemption policy are
// fixed once created; the generation stays 1.
func priorityClasses() registry.Resource {
	doc := schedulingv1.PriorityClass{}.SwaggerDoc()
	return registry.Resource{
		Group:      group,
		Name:       "priorityclasses",
		Singular:   "priorityclass",
		Kind:       "PriorityClass",
		ShortNames: []string{"pc"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &schedulingv1.PriorityClass{} },
			Default: registry.Typed(func(c *schedulingv1.PriorityClass) {
				if c.PreemptionPolicy == nil {
					c.PreemptionPolicy = new(corev1.PreemptLowerPriority)
				}
			}),
		}},
		Strategy: registry.For[*schedulingv1.PriorityClass]{
			ValidateName:     apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, c *schedulingv1.PriorityClass) { c.Generation = 1 },
			Validate: func(_ context.Context, c *schedulingv1.PriorityClass) field.ErrorList {
				return validatePriorityClass(c)
			},
			ValidateUpdate: func(_ context.Context, c, old *schedulingv1.PriorityClass) field.ErrorList {
				return validatePriorityClassUpdate(c, old)
			},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Integer("Value", doc["value"]),
			printers.Boolean("Global-Default", doc["globalDefault"]),
			printers.Age,
			printers.Column("PreemptionPolicy", doc["preemptionPolicy"]),
		},
		Cells: registry.Row(func(c *schedulingv1.PriorityClass, now registry.Clock) []any {
			policy := ""
			if c.PreemptionPolicy != nil {
				policy = string(*c.PreemptionPolicy)
			}
			return []any{c.Name, int64(c.Value), c.GlobalDefault, printers.Since(c.CreationTimestamp, now), policy}
		}),
	}
}

func validatePriorityClass(c *schedulingv1.PriorityClass) field.ErrorList {
	var errs field.ErrorList
	if strings.HasPrefix(c.Name, systemPrefix) {
		if err := checkSystemClass(c); err != nil {
			errs = append(errs, field.Forbidden(field.NewPath("metadata", "name"),
				"priority class names with '"+systemPrefix+"' prefix are reserved for system use only. error: "+err.Error()))
		}
	} else if c.Value > highestUserPriority {
		errs = append(errs, field.Forbidden(field.NewPath("value"),
			fmt.Sprintf("maximum allowed value of a user defined priority is %v", highestUserPriority)))
	}
	if c.PreemptionPolicy != nil {
		errs = append(errs, validatePreemptionPolicy(*c.PreemptionPolicy, field.NewPath("preemptionPolicy"))...)
	}
	return errs
}

// checkSystemClass wants a class with a system name to be one of the system's,
// as it is.
func checkSystemClass(c *schedulingv1.PriorityClass) error {
	for i := range SystemPriorityClasses {
		known := &SystemPriorityClasses[i]
		if known.Name != c.Name {
			continue
		}
		if known.Value != c.Value {
			return fmt.Errorf("value of %v PriorityClass must be %v", known.Name, known.Value)
		}
		if c.GlobalDefault {
			return fmt.Errorf("globalDefault of %v PriorityClass must be %v", known.Name, known.GlobalDefault)
		}
		return nil
	}
	return fmt.Errorf("%v is not a known system priority class", c.Name)
}

func validatePreemptionPolicy(p corev1.PreemptionPolicy, at *field.Path) field.ErrorList {
	switch p {
	case corev1.PreemptLowerPriority, corev1.PreemptNever:
		return nil
	case "":
		return field.ErrorList{field.Required(at, "")}
	}
	return field.ErrorList{field.NotSupported(at, p, []corev1.PreemptionPolicy{corev1.PreemptLowerPriority, corev1.PreemptNever})}
}

func validatePriorityClassUpdate(c, old *schedulingv1.PriorityClass) field.ErrorList {
	var errs field.ErrorList
	if c.Value != old.Value {
		errs = append(errs, field.Forbidden(field.NewPath("value"), "may not be changed in an update."))
	}
	return append(errs, apivalidation.ValidateImmutableField(c.PreemptionPolicy, old.PreemptionPolicy, field.NewPath("preemptionPolicy"))...)
}
