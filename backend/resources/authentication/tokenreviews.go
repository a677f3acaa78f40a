package authentication

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// tokenReviews tell whose a token is.
func tokenReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "tokenreviews",
		Singular: "tokenreview",
		Kind:     "TokenReview",

		Verbs: []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authenticationv1.TokenReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authenticationv1.TokenReview{} },
			Create: func(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
				return reviewToken(ctx, env, c, obj)
			},
		},
	}
}

func reviewToken(ctx context.Context, env *registry.Env, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	review, ok := obj.(*authenticationv1.TokenReview)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a TokenReview: %T", obj))
	}
	if review.Spec.Token == "" {
		return nil, apierrors.NewBadRequest("token is required for TokenReview in authentication")
	}
	if c.Validate != nil {
		if err := c.Validate(ctx, review.DeepCopy(), nil); err != nil {
			return nil, err
		}
	}
	review.Status = authenticationv1.TokenReviewStatus{}
	if env.Tokens == nil {
		return review, nil
	}
	audiences := review.Spec.Audiences
	if len(audiences) == 0 {
		audiences = env.Tokens.Audiences
	}
	user, common, err := env.Tokens.Review(ctx, review.Spec.Token, audiences)
	if err != nil {
		review.Status.Error = err.Error()
		return review, nil
	}
	review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: userInfo(user), Audiences: common}
	return review, nil
}

// userInfo is a user as reviews show it.
func userInfo(u *request.User) authenticationv1.UserInfo {
	info := authenticationv1.UserInfo{Username: u.Name, UID: u.UID, Groups: u.Groups}
	for key, values := range u.Extra {
		if info.Extra == nil {
			info.Extra = map[string]authenticationv1.ExtraValue{}
		}
		info.Extra[key] = values
	}
	return info
}
