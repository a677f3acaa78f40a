package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/core/v1"
)

// pods are the pods of the core group: what they are is spread over pods*.go,
// what their specs may say is in podspec.
func pods(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "pods",
		Singular:   "pod",
		Kind:       "Pod",
		ShortNames: []string{"po"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &v1.Pod{} },
		}},
		Strategy: registry.For[*v1.Pod]{
			DeleteReturnsObject: true,
		}.Strategy(),
		Subresources: podSubresources(env),
	}
}
