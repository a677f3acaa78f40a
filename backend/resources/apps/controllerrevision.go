package apps

import (
	"context"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/resources/validate"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// controllerRevisionResource is snapshots of what a controller wanted, kept for
// rollbacks.
func controllerRevisionResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      appsv1.GroupName,
		Name:       "controllerrevisions",
		Singular:   "controllerrevision",
		Kind:       "ControllerRevision",
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &appsv1.ControllerRevision{} }}},
		Strategy: registry.For[*appsv1.ControllerRevision]{
			ValidatesMetaOnUpdate: 1,
			Validate: func(_ context.Context, r *appsv1.ControllerRevision) field.ErrorList {
				return validateControllerRevision(r)
			},
			ValidateUpdate: func(_ context.Context, r, old *appsv1.ControllerRevision) field.ErrorList {
				// An update without data changes it, which says it all.
				errs := apivalidation.ValidateNonnegativeField(r.Revision, field.NewPath("revision"))
				if validate.SameRaw(&r.Data, &old.Data) {
					return errs
				}
				return append(errs, apivalidation.ValidateImmutableField(r.Data, old.Data, field.NewPath("data"))...)
			},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Controller", "Controller of the object"),
			printers.Column("Revision", appsv1.ControllerRevision{}.SwaggerDoc()["revision"]),
			printers.Age,
		},
		Cells: registry.Row(func(r *appsv1.ControllerRevision, now registry.Clock) []any {
			return []any{r.Name, controllerOf(r), r.Revision, printers.Since(r.CreationTimestamp, now)}
		}),
	}
}

// controllerOf gives an object's controller as kind.group/name.
func controllerOf(obj metav1.Object) string {
	owner := metav1.GetControllerOf(obj)
	if owner == nil {
		return "<none>"
	}
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return "<none>"
	}
	return strings.ToLower(schema.GroupKind{Group: gv.Group, Kind: owner.Kind}.String()) + "/" + owner.Name
}

func validateControllerRevision(r *appsv1.ControllerRevision) field.ErrorList {
	var errs field.ErrorList
	if len(r.Data.Raw) == 0 && r.Data.Object == nil {
		errs = append(errs, field.Required(field.NewPath("data"), "data is mandatory"))
	}
	return append(errs, apivalidation.ValidateNonnegativeField(r.Revision, field.NewPath("revision"))...)
}
