package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func nodeResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "nodes",
		Singular:   "node",
		Kind:       "Node",
		ShortNames: []string{"no"},
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Node{} }}},
		Strategy:   registry.For[*corev1.Node]{}.Strategy(),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &registry.Strategy{}},
			{Name: "proxy", Verbs: proxyVerbs, Kind: "NodeProxyOptions"},
		},
	}
}
