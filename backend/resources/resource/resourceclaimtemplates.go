package resource

import (
	"context"
	"reflect"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	resourcev1 "k8s.io/api/resource/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// resourceClaimTemplates are what claims of pods are made from. The spec is
// fixed once created.
func resourceClaimTemplates(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "resourceclaimtemplates",
		Singular:   "resourceclaimtemplate",
		Kind:       "ResourceClaimTemplate",
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &resourcev1.ResourceClaimTemplate{} },
			Default: registry.Typed(func(t *resourcev1.ResourceClaimTemplate) {
				defaultClaim(&t.Spec.Spec.Devices)
			}),
		}},
		Strategy: registry.For[*resourcev1.ResourceClaimTemplate]{
			ValidateName: apivalidation.NameIsDNSSubdomain,
			Validate: func(ctx context.Context, t *resourcev1.ResourceClaimTemplate) field.ErrorList {
				errs := validateAdminAccess(ctx, env.Registry, t.Namespace, adminRequest(t.Spec.Spec.Devices.Requests))
				return append(errs, validateTemplate(t)...)
			},
			ValidateUpdate: func(_ context.Context, t, old *resourcev1.ResourceClaimTemplate) field.ErrorList {
				sameParameters(t.Spec.Spec.Devices.Config, old.Spec.Spec.Devices.Config)
				return unchanged(t.Spec, old.Spec)
			},
			ValidatesMetaOnUpdate: 1,
			DeleteReturnsObject:   true,
		}.Strategy(),
		Columns: []registry.Column{printers.Name, printers.Age},
		Cells: registry.Row(func(t *resourcev1.ResourceClaimTemplate, now registry.Clock) []any {
			return []any{t.Name, printers.Since(t.CreationTimestamp, now)}
		}),
	}
}

func validateTemplate(t *resourcev1.ResourceClaimTemplate) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateTemplateMeta(&t.Spec.ObjectMeta, spec.Child("metadata"))
	return append(errs, validateClaim(&t.Spec.Spec.Devices, spec.Child("spec", "devices"))...)
}

// validateTemplateMeta lets the metadata of a template have labels and
// annotations only.
func validateTemplateMeta(m *metav1.ObjectMeta, at *field.Path) field.ErrorList {
	errs := apivalidation.ValidateAnnotations(m.Annotations, at.Child("annotations"))
	errs = append(errs, metav1validation.ValidateLabels(m.Labels, at.Child("labels"))...)
	v := reflect.ValueOf(*m)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name != "Labels" && name != "Annotations" && !v.Field(i).IsZero() {
			errs = append(errs, field.Forbidden(at.Child(strings.ToLower(name[:1])+name[1:]), "cannot be set"))
		}
	}
	return errs
}
