package authorization

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func selfSubjectAccessReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "selfsubjectaccessreviews",
		Singular: "selfsubjectaccessreview",
		Kind:     "SelfSubjectAccessReview",

		Verbs: []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authorizationv1.SelfSubjectAccessReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} },
			Create: create(func(ctx context.Context, c registry.Call, r *authorizationv1.SelfSubjectAccessReview) error {
				return answerSelfSubjectAccessReview(ctx, env, c, r)
			}),
		},
	}
}

func answerSelfSubjectAccessReview(ctx context.Context, env *registry.Env, _ registry.Call, r *authorizationv1.SelfSubjectAccessReview) error {
	faults := validateAttributes(r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
	if !onlyManaged(&r.ObjectMeta) {
		faults = append(faults, field.Invalid(field.NewPath("metadata"), r.ObjectMeta, "must be empty"))
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	u := request.UserFrom(ctx)
	if u == nil {
		return apierrors.NewBadRequest("no user present on request")
	}
	r.Status = decide(ctx, env, u, r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
	return nil
}
