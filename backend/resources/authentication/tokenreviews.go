package authentication

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func tokenReviews() registry.Resource {
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
		},
	}
}
