package discovery

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	discoveryv1 "k8s.io/api/discovery/v1"
)

func endpointSliceResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "discovery.k8s.io",
		Name:       "endpointslices",
		Singular:   "endpointslice",
		Kind:       "EndpointSlice",
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &discoveryv1.EndpointSlice{} }}},
		Strategy:   registry.For[*discoveryv1.EndpointSlice]{}.Strategy(),
	}
}
