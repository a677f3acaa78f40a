package networking

import (
	"context"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func ipAddressResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "networking.k8s.io",
		Name:       "ipaddresses",
		Singular:   "ipaddress",
		Kind:       "IPAddress",
		ShortNames: []string{"ip"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &networkingv1.IPAddress{} }}},
		Strategy: registry.For[*networkingv1.IPAddress]{
			ValidatesMetaOnUpdate: 1,
			ValidateName:          ipAddressNameFaults,
			Validate: func(_ context.Context, ip *networkingv1.IPAddress) field.ErrorList {
				return validateParentRef(ip.Spec.ParentRef, specPath.Child("parentRef"))
			},
			ValidateUpdate: func(_ context.Context, ip, old *networkingv1.IPAddress) field.ErrorList {
				path := specPath.Child("parentRef")
				errs := validateParentRef(ip.Spec.ParentRef, path)
				if len(apivalidation.ValidateImmutableField(ip.Spec.ParentRef, old.Spec.ParentRef, path)) > 0 {
					errs = append(errs, field.Invalid(path, validate.Internal(ip.Spec.ParentRef), apivalidation.FieldImmutableErrorMsg))
				}
				return errs
			},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("ParentRef", networkingv1.IPAddressSpec{}.SwaggerDoc()["parentRef"]),
			printers.Age,
		},
		Cells: registry.Row(func(ip *networkingv1.IPAddress, now registry.Clock) []any {
			return []any{ip.Name, parentRefText(ip.Spec.ParentRef), printers.Since(ip.CreationTimestamp, now)}
		}),
	}
}

// ipAddressNameFaults wants the one canonical spelling of an address.
func ipAddressNameFaults(name string, _ bool) []string {
	var out []string
	for _, err := range validation.IsValidIP(field.NewPath(""), name) {
		out = append(out, err.Detail)
	}
	return out
}

func validateParentRef(ref *networkingv1.ParentReference, path *field.Path) field.ErrorList {
	if ref == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if ref.Group != "" {
		errs = append(errs, validate.DNSSubdomain(ref.Group, path.Child("group"))...)
	}
	errs = append(errs, validateSegment(ref.Resource, path.Child("resource"))...)
	errs = append(errs, validateSegment(ref.Name, path.Child("name"))...)
	if ref.Namespace != "" {
		errs = append(errs, validate.Messages(path.Child("namespace"), ref.Namespace, content.IsPathSegmentName(ref.Namespace))...)
	}
	return errs
}

// parentRefText shows a parent: services/default/kubernetes.
func parentRefText(ref *networkingv1.ParentReference) string {
	if ref == nil {
		return "<none>"
	}
	parts := []string{strings.ToLower(schema.GroupResource{Group: ref.Group, Resource: ref.Resource}.String())}
	if ref.Namespace != "" {
		parts = append(parts, ref.Namespace)
	}
	return strings.Join(append(parts, ref.Name), "/")
}
