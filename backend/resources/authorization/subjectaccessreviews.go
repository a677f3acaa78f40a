package authorization

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func subjectAccessReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "subjectaccessreviews",
		Singular: "subjectaccessreview",
		Kind:     "SubjectAccessReview",

		Verbs: []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authorizationv1.SubjectAccessReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authorizationv1.SubjectAccessReview{} },
			Create: create(func(ctx context.Context, c registry.Call, r *authorizationv1.SubjectAccessReview) error {
				return answerSubjectAccessReview(ctx, env, c, r)
			}),
		},
	}
}

func answerSubjectAccessReview(ctx context.Context, env *registry.Env, _ registry.Call, r *authorizationv1.SubjectAccessReview) error {
	faults := validateSpec(&r.Spec)
	if !onlyManaged(&r.ObjectMeta) {
		faults = append(faults, field.Invalid(field.NewPath("metadata"), r.ObjectMeta, "must be empty"))
	}
	if len(faults) > 0 {
		return invalid(faults)
	}
	r.Status = decide(ctx, env, reviewed(&r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
	return nil
}

// onlyManaged tells that metadata holds nothing but what the server put there.
func onlyManaged(m *metav1.ObjectMeta) bool {
	rest := *m
	rest.ManagedFields = nil
	return equality.Semantic.DeepEqual(rest, metav1.ObjectMeta{})
}
