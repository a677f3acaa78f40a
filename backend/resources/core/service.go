package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func serviceResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "services",
		Singular:   "service",
		Kind:       "Service",
		ShortNames: []string{"svc"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Service{} }}},
		Strategy:   registry.For[*corev1.Service]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
			{Name: "proxy", Verbs: proxyVerbs, Kind: "ServiceProxyOptions"},
		},
	}
}
