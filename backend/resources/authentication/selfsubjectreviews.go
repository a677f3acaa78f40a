package authentication

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func selfSubjectReviews() registry.Resource {
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
		},
	}
}
