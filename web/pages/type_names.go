package pages

import (
	"slices"
	"strings"

	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// typeNames are types in an order, as kubectl writes them: "pods deployments.apps".
type typeNames string

func (n typeNames) list() []schema.GroupResource {
	words := strings.Fields(string(n))
	list := make([]schema.GroupResource, len(words))
	for i, w := range words {
		list[i] = schema.ParseGroupResource(w)
	}
	return list
}

func (n typeNames) has(e *registry.Entry) bool {
	return slices.Contains(strings.Fields(string(n)), e.Resource.GroupResource().String())
}
