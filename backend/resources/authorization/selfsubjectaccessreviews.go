package authorization

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func selfSubjectAccessReviews() registry.Resource {
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
		},
	}
}
