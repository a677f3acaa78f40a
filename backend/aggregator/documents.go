package aggregator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sort"
	"strings"

	"pilothouse/backend/discovery"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

// documents are what a server has said about a group version.
type documents struct {
	discovery apidiscoveryv2.APIVersionDiscovery
	// etag is the aggregated document's.
	etag    string
	openapi openAPI
}

// groups are the groups of other servers at one time.
type groups struct {
	list       []discovery.RemoteGroup
	generation int64
}

// makeGroups gives the groups of other servers, their versions by priority.
func (m *Manager) makeGroups() []discovery.RemoteGroup {
	byGroup := map[string][]*target{}
	for _, t := range m.current.Load().byName {
		byGroup[t.spec.Group] = append(byGroup[t.spec.Group], t)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]discovery.RemoteGroup, 0, len(byGroup))
	for name, targets := range byGroup {
		sort.Slice(targets, func(i, j int) bool {
			a, b := &targets[i].spec, &targets[j].spec
			if a.VersionPriority != b.VersionPriority {
				return a.VersionPriority > b.VersionPriority
			}
			return version.CompareKubeAwareVersionStrings(a.Version, b.Version) > 0
		})
		g := discovery.RemoteGroup{}
		g.Name = name
		for _, t := range targets {
			g.Priority = max(g.Priority, t.spec.GroupPriorityMinimum)
			v := apidiscoveryv2.APIVersionDiscovery{Version: t.spec.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessStale}
			if d := m.documents[t.name]; d != nil {
				v = d.discovery
			}
			g.Versions = append(g.Versions, v)
		}
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// markStale says that nothing is known of a group version but that it is there.
func (m *Manager) markStale(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.documents[name]; d != nil && d.discovery.Freshness != apidiscoveryv2.DiscoveryFreshnessStale {
		d.discovery.Resources, d.discovery.Freshness, d.etag = nil, apidiscoveryv2.DiscoveryFreshnessStale, ""
		m.generation.Add(1)
	}
}

// forget takes away what a server has said.
func (m *Manager) forget(name string) {
	uncount(name)
	m.mu.Lock()
	d := m.documents[name]
	delete(m.documents, name)
	m.mu.Unlock()
	if d != nil {
		m.generation.Add(1)
		m.removeOpenAPI(d)
	}
}

// refreshDocuments asks a server that can be reached for its documents.
func (m *Manager) refreshDocuments(ctx context.Context, t *target) error {
	address, err := t.remote.pick(ctx, m)
	if err != nil {
		return err
	}
	m.mu.Lock()
	d := m.documents[t.name]
	if d == nil {
		d = &documents{discovery: apidiscoveryv2.APIVersionDiscovery{Version: t.spec.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessStale}}
		m.documents[t.name] = d
	}
	etag := d.etag
	m.mu.Unlock()
	said, etag, err := t.discover(ctx, address, etag)
	if err != nil {
		m.markStale(t.name)
		return err
	}
	if said != nil {
		m.mu.Lock()
		changed := !reflect.DeepEqual(d.discovery, *said)
		d.discovery, d.etag = *said, etag
		m.mu.Unlock()
		if changed {
			m.generation.Add(1)
		}
	}
	return m.refreshOpenAPI(ctx, t, address, d)
}

const acceptAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

// discover asks for the resources of the target's group version, by the
// aggregated document where there is one. Nil means: as with this etag.
func (t *target) discover(ctx context.Context, address, etag string) (*apidiscoveryv2.APIVersionDiscovery, string, error) {
	header := http.Header{"Accept": {acceptAggregated}}
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	resp, body, err := t.remote.ask(ctx, address, "/apis", header)
	switch {
	case err != nil:
		return nil, "", err
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return nil, etag, nil
	case resp.StatusCode == http.StatusOK && strings.Contains(resp.Header.Get("Content-Type"), "as=APIGroupDiscoveryList"):
		said, err := t.fromAggregated(body)
		return said, resp.Header.Get("Etag"), err
	}
	said, err := t.discoverPlain(ctx, address)
	return said, "", err
}

func (t *target) fromAggregated(body []byte) (*apidiscoveryv2.APIVersionDiscovery, error) {
	list := &apidiscoveryv2.APIGroupDiscoveryList{}
	if err := json.Unmarshal(body, list); err != nil {
		return nil, fmt.Errorf("discovery of %s: %w", t.name, err)
	}
	out := &apidiscoveryv2.APIVersionDiscovery{Version: t.spec.Version}
	for _, g := range list.Items {
		for i := range g.Versions {
			if g.Name == t.spec.Group && g.Versions[i].Version == t.spec.Version {
				out = &g.Versions[i]
			}
		}
	}
	out.Freshness = apidiscoveryv2.DiscoveryFreshnessCurrent
	for i := range out.Resources {
		r := &out.Resources[i]
		if r.ResponseKind == nil { // old clients need one
			r.ResponseKind = &metav1.GroupVersionKind{}
		}
		for j := range r.Subresources {
			if r.Subresources[j].ResponseKind == nil {
				r.Subresources[j].ResponseKind = &metav1.GroupVersionKind{}
			}
		}
	}
	return out, nil
}

// discoverPlain is for servers from before the aggregated document.
func (t *target) discoverPlain(ctx context.Context, address string) (*apidiscoveryv2.APIVersionDiscovery, error) {
	path := "/apis/" + t.spec.Group + "/" + t.spec.Version
	resp, body, err := t.remote.ask(ctx, address, path, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("discovery of %s: %s answers %d", t.name, path, resp.StatusCode)
	}
	list := &metav1.APIResourceList{}
	if err := json.Unmarshal(body, list); err != nil {
		return nil, fmt.Errorf("discovery of %s: %w", t.name, err)
	}
	return t.aggregate(list), nil
}

// aggregate puts the resources of a plain document in the form of the aggregated
// one: subresources below their resources.
func (t *target) aggregate(list *metav1.APIResourceList) *apidiscoveryv2.APIVersionDiscovery {
	out := &apidiscoveryv2.APIVersionDiscovery{Version: t.spec.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
	at := map[string]int{}
	place := func(name string) *apidiscoveryv2.APIResourceDiscovery {
		i, ok := at[name]
		if !ok {
			i = len(out.Resources)
			at[name] = i
			out.Resources = append(out.Resources, apidiscoveryv2.APIResourceDiscovery{Resource: name, ResponseKind: &metav1.GroupVersionKind{}})
		}
		return &out.Resources[i]
	}
	for _, r := range list.APIResources {
		kind := &metav1.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
		if kind.Group == "" && kind.Version == "" {
			kind.Group, kind.Version = t.spec.Group, t.spec.Version
		}
		name, sub, isSub := strings.Cut(r.Name, "/")
		to := place(name)
		scope := apidiscoveryv2.ScopeCluster
		if r.Namespaced {
			scope = apidiscoveryv2.ScopeNamespace
		}
		if isSub {
			if to.Scope == "" {
				to.Scope = scope
			}
			to.Subresources = append(to.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub, ResponseKind: kind, Verbs: r.Verbs})
			continue
		}
		to.Scope, to.ResponseKind, to.Verbs = scope, kind, r.Verbs
		to.SingularResource, to.ShortNames, to.Categories = r.SingularName, r.ShortNames, r.Categories
	}
	return out
}
