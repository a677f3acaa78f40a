package networking

import (
	"context"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

func serviceCIDRResource(env *registry.Env) registry.Resource {
	status := registry.For[*networkingv1.ServiceCIDR]{
		PrepareForUpdate: func(_ context.Context, c, old *networkingv1.ServiceCIDR) {
			c.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&c.ObjectMeta, &old.ObjectMeta)
		},
		ResetFields: map[string][]string{"networking.k8s.io/v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:    "networking.k8s.io",
		Name:     "servicecidrs",
		Singular: "servicecidr",
		Kind:     "ServiceCIDR",
		Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.ServiceCIDR{} }}},
		Strategy: registry.For[*networkingv1.ServiceCIDR]{
			PrepareForCreate: func(_ context.Context, c *networkingv1.ServiceCIDR) { c.Status = networkingv1.ServiceCIDRStatus{} },
			PrepareForUpdate: func(_ context.Context, c, old *networkingv1.ServiceCIDR) { c.Status = old.Status },
			Validate: func(_ context.Context, c *networkingv1.ServiceCIDR) field.ErrorList {
				return validateServiceCIDRs(&c.Spec)
			},
			ValidateUpdate: func(_ context.Context, c, old *networkingv1.ServiceCIDR) field.ErrorList {
				return append(validateServiceCIDRs(&c.Spec), validateServiceCIDRChange(&c.Spec, old.Spec.CIDRs)...)
			},
			ResetFields: map[string][]string{"networking.k8s.io/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("CIDRs", networkingv1.ServiceCIDRSpec{}.SwaggerDoc()["cidrs"]),
			printers.Age,
		},
		Cells: registry.Row(func(c *networkingv1.ServiceCIDR, now registry.Clock) []any {
			return []any{c.Name, strings.Join(c.Spec.CIDRs, ","), printers.Since(c.CreationTimestamp, now)}
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
		},
	}
}

func validateServiceCIDRs(spec *networkingv1.ServiceCIDRSpec) field.ErrorList {
	path, cidrs := specPath.Child("cidrs"), spec.CIDRs
	switch {
	case len(cidrs) == 0:
		return field.ErrorList{field.Required(path, "at least one CIDR required")}
	case len(cidrs) > 2:
		return field.ErrorList{field.Invalid(path, validate.Internal(spec), "may only hold up to 2 values")}
	}
	var errs field.ErrorList
	for i, c := range cidrs {
		errs = append(errs, validation.IsValidCIDR(path.Index(i), c)...)
	}
	if len(cidrs) == 2 {
		family := netutils.IPFamilyOfCIDRString(cidrs[0])
		if family != netutils.IPFamilyUnknown && family == netutils.IPFamilyOfCIDRString(cidrs[1]) {
			errs = append(errs, field.Invalid(path, cidrs, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"))
		}
	}
	return errs
}

// validateServiceCIDRChange lets a second range come and nothing else change.
func validateServiceCIDRChange(spec *networkingv1.ServiceCIDRSpec, was []string) field.ErrorList {
	path, cidrs := specPath.Child("cidrs"), spec.CIDRs
	var errs field.ErrorList
	fixed := func(i int) {
		if was[i] != cidrs[i] {
			errs = append(errs, field.Invalid(path.Index(i), cidrs[i], apivalidation.FieldImmutableErrorMsg))
		}
	}
	switch {
	case len(was) == len(cidrs):
		for i := range was {
			fixed(i)
		}
	case len(was) == 1 && len(cidrs) == 2:
		fixed(0)
		errs = append(errs, validateServiceCIDRs(spec)...)
	default:
		errs = append(errs, field.Invalid(path, cidrs, apivalidation.FieldImmutableErrorMsg))
	}
	return errs
}
