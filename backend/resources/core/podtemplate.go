package core

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podTemplateResource is pod templates that stand on their own.
func podTemplateResource(env *registry.Env) registry.Resource {
	path := field.NewPath("template")
	return registry.Resource{
		Name:       "podtemplates",
		Singular:   "podtemplate",
		Kind:       "PodTemplate",
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.PodTemplate{} },
			Default: registry.Typed(func(t *corev1.PodTemplate) { podspec.SetTemplateDefaults(&t.Template) }),
		}},
		Strategy: registry.For[*corev1.PodTemplate]{
			PrepareForCreate: func(_ context.Context, t *corev1.PodTemplate) {
				t.Generation = 1
				podspec.DropGated(&t.Template.Spec)
			},
			Validate: func(_ context.Context, t *corev1.PodTemplate) field.ErrorList {
				return podspec.ValidateTemplate(&t.Template, path, podspec.ForCreate(env.AllowPrivileged))
			},
			WarningsOnCreate: func(_ context.Context, t *corev1.PodTemplate) []string {
				return podspec.TemplateWarnings(&t.Template, path)
			},
			PrepareForUpdate: func(_ context.Context, t, old *corev1.PodTemplate) {
				podspec.DropGated(&t.Template.Spec)
				t.Generation = old.Generation
				if !podspec.SameTemplate(&t.Template, &old.Template) {
					t.Generation++
				}
			},
			ValidateUpdate: func(_ context.Context, t, old *corev1.PodTemplate) field.ErrorList {
				return podspec.ValidateTemplate(&t.Template, path, podspec.ForUpdate(env.AllowPrivileged, &old.Template.Spec, &old.Template.ObjectMeta))
			},
			WarningsOnUpdate: func(_ context.Context, t, old *corev1.PodTemplate) []string {
				if t.Generation == old.Generation {
					return nil
				}
				return podspec.TemplateWarnings(&t.Template, path)
			},
			DeleteReturnsObject: true,
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Containers", "Names of each container in the template."),
			printers.Column("Images", "Images referenced by each container in the template."),
			printers.Column("Pod Labels", "The labels for the pod template."),
		},
		Cells: registry.Row(func(t *corev1.PodTemplate, _ registry.Clock) []any {
			names, images := podspec.NamesAndImages(t.Template.Spec.Containers)
			return []any{t.Name, names, images, labels.FormatLabels(t.Template.Labels)}
		}),
	}
}
