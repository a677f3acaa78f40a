package pages

import (
	"sync"

	"pilothouse/backend/discovery"
	"pilothouse/backend/registry"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
)

// Remote joins the types of other API servers, which APIServices lead to, with those
// of this one: on pages they are the same.
type Remote struct {
	// Groups gives them, and a number that is another one whenever they have
	// changed.
	Groups func() ([]discovery.RemoteGroup, int64)

	mu         sync.Mutex
	of, joined *registry.Table
	generation int64
}

// Types gives all types that there are: the same table until they change.
func (s *Site) Types() *registry.Table {
	own, r := s.Registry.Table(), s.Remote
	if r == nil || r.Groups == nil {
		return own
	}
	groups, generation := r.Groups()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of != own || r.generation != generation {
		r.of, r.generation, r.joined = own, generation, own.With(remoteTypes(groups))
	}
	return r.joined
}

// remoteTypes are the resources that servers say they have, their preferred version
// first.
func remoteTypes(groups []discovery.RemoteGroup) []*registry.Resource {
	var list []*registry.Resource
	for _, g := range groups {
		known := map[string]*registry.Resource{}
		for _, v := range g.Versions {
			for i := range v.Resources {
				d := &v.Resources[i]
				if d.ResponseKind == nil || d.ResponseKind.Kind == "" {
					continue // it has subresources alone
				}
				r := known[d.Resource]
				if r == nil {
					r = remoteType(g.Name, d)
					known[d.Resource] = r
					list = append(list, r)
				}
				r.Versions = append(r.Versions, registry.Version{Name: v.Version})
			}
		}
	}
	return list
}

func remoteType(group string, d *apidiscoveryv2.APIResourceDiscovery) *registry.Resource {
	r := &registry.Resource{
		Group: group, Name: d.Resource, Singular: d.SingularResource, Kind: d.ResponseKind.Kind, ListKind: d.ResponseKind.Kind + "List",
		ShortNames: d.ShortNames, Categories: d.Categories, Namespaced: d.Scope == apidiscoveryv2.ScopeNamespace, Verbs: d.Verbs, Remote: true,
	}
	for _, s := range d.Subresources {
		r.Subresources = append(r.Subresources, registry.Subresource{Name: s.Subresource, Verbs: s.Verbs})
	}
	return r
}
