package authentication

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// selfSubjectReviews tell a caller who the server takes it for.
func selfSubjectReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "selfsubjectreviews",
		Singular: "selfsubjectreview",
		Kind:     "SelfSubjectReview",

		Verbs: []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authenticationv1.SelfSubjectReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authenticationv1.SelfSubjectReview{} },
			Create: func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
				return reviewSelf(ctx, env, c, obj)
			},
		},
	}
}

func reviewSelf(ctx context.Context, env *registry.Env, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	if _, ok := obj.(*authenticationv1.SelfSubjectReview); !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a SelfSubjectReview: %T", obj))
	}
	if c.Validate != nil {
		if err := c.Validate(ctx, obj.DeepCopyObject(), nil); err != nil {
			return nil, err
		}
	}
	user := request.UserFrom(ctx)
	if user == nil {
		return nil, apierrors.NewBadRequest("no user present on request")
	}
	return &authenticationv1.SelfSubjectReview{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(env.Clock())},
		Status:     authenticationv1.SelfSubjectReviewStatus{UserInfo: userInfo(user)},
	}, nil
}
