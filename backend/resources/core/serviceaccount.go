package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func serviceAccountResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "serviceaccounts",
		Singular:   "serviceaccount",
		Kind:       "ServiceAccount",
		ShortNames: []string{"sa"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ServiceAccount{} }}},
		Strategy:   registry.For[*corev1.ServiceAccount]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "token", Verbs: []string{"create"}, Kind: "TokenRequest", GroupVersion: schema.GroupVersion{Group: "authentication.k8s.io", Version: "v1"}},
		},
	}
}
