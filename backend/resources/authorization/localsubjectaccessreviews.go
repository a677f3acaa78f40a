package authorization

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func localSubjectAccessReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "localsubjectaccessreviews",
		Singular:   "localsubjectaccessreview",
		Kind:       "LocalSubjectAccessReview",
		Namespaced: true,
		Verbs:      []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authorizationv1.LocalSubjectAccessReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authorizationv1.LocalSubjectAccessReview{} },
			Create: create(func(ctx context.Context, c registry.Call, r *authorizationv1.LocalSubjectAccessReview) error {
				return answerLocalSubjectAccessReview(ctx, env, c, r)
			}),
		},
	}
}

func answerLocalSubjectAccessReview(ctx context.Context, env *registry.Env, c registry.Call, r *authorizationv1.LocalSubjectAccessReview) error {
	faults := validateSpec(&r.Spec)
	rest := r.ObjectMeta
	rest.Namespace = ""
	if !onlyManaged(&rest) {
		faults = append(faults, field.Invalid(field.NewPath("metadata"), r.ObjectMeta, "must be empty except for namespace"))
	}
	if a := r.Spec.ResourceAttributes; a != nil && a.Namespace != r.Namespace {
		faults = append(faults, field.Invalid(specPath.Child("resourceAttributes", "namespace"), a.Namespace, "must match metadata.namespace"))
	}
	if r.Spec.NonResourceAttributes != nil {
		faults = append(faults, field.Invalid(specPath.Child("nonResourceAttributes"), internalForm{r.Spec.NonResourceAttributes}, "disallowed on this kind of request"))
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	if c.Namespace != r.Namespace {
		return apierrors.NewBadRequest("spec.resourceAttributes.namespace must match namespace: " + c.Namespace)
	}
	r.Status = decide(ctx, env, reviewed(&r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
	return nil
}
