package discovery

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"pilothouse/backend/registry"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// documents are the groups of one state of the table, in order.
type documents struct {
	groups []*group
	// routed are the groups with built-in resources, for which Kubernetes'
	// router answers.
	routed map[string]bool

	coreVersions, groupList runtime.Object
}

// group is one group. Its versions are in order of preference; lists has the
// resources of those that this server serves.
type group struct {
	name     string
	priority int32
	versions []apidiscoveryv2.APIVersionDiscovery
	lists    map[string]*metav1.APIResourceList
}

func newDocuments(t *registry.Table, remote []RemoteGroup, address string) *documents {
	d := &documents{routed: map[string]bool{"": true}}
	for _, g := range t.Groups() {
		d.groups = append(d.groups, d.local(g))
	}
	for i := range remote {
		d.merge(&remote[i])
	}
	sort.SliceStable(d.groups, func(i, j int) bool {
		a, b := d.groups[i], d.groups[j]
		if a.priority != b.priority {
			return a.priority > b.priority
		}
		return a.name < b.name
	})
	d.makeRoots(address)
	return d
}

// local describes a group of the table.
func (d *documents) local(from registry.Group) *group {
	g := &group{name: from.Name, priority: registry.GroupPriority(from.Name), lists: map[string]*metav1.APIResourceList{}}
	if from.Name == apiregistrationv1.GroupName {
		g.priority = math.MaxInt32 // first whatever other servers want
	}
	for _, v := range from.Versions {
		gv := schema.GroupVersion{Group: from.Name, Version: v.Name}
		list := &metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: gv.String(),
			APIResources: []metav1.APIResource{},
		}
		if from.Name == "" {
			list.APIVersion = "" // as clients of before groups know it
		}
		aggregated := apidiscoveryv2.APIVersionDiscovery{Version: v.Name, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
		for _, e := range v.Entries {
			if !e.Resource.Dynamic {
				d.routed[from.Name] = true
			}
			list.APIResources = append(list.APIResources, apiResources(e)...)
			aggregated.Resources = append(aggregated.Resources, aggregatedResource(e))
		}
		g.lists[v.Name] = list
		g.versions = append(g.versions, aggregated)
	}
	return g
}

// merge adds a group of another server, or its versions to a group that is here
// too.
func (d *documents) merge(r *RemoteGroup) {
	g := d.group(r.Name)
	if g == nil {
		g = &group{name: r.Name, lists: map[string]*metav1.APIResourceList{}}
		d.groups = append(d.groups, g)
	}
	g.priority = max(g.priority, r.Priority)
	for _, v := range r.Versions {
		// What another server is said to serve goes there, also what is here too.
		delete(g.lists, v.Version)
		known := slices.IndexFunc(g.versions, func(have apidiscoveryv2.APIVersionDiscovery) bool { return have.Version == v.Version })
		if known >= 0 {
			g.versions[known] = v
		} else {
			g.versions = append(g.versions, v)
		}
	}
	if len(g.lists) > 0 {
		sort.SliceStable(g.versions, func(i, j int) bool {
			return version.CompareKubeAwareVersionStrings(g.versions[i].Version, g.versions[j].Version) > 0
		})
	}
}

func (d *documents) group(name string) *group {
	for _, g := range d.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

func (d *documents) makeRoots(address string) {
	versions := &metav1.APIVersions{
		TypeMeta: metav1.TypeMeta{Kind: "APIVersions"},
		Versions: []string{},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{
			{ClientCIDR: "0.0.0.0/0", ServerAddress: address},
		},
	}
	list := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}}
	for _, g := range d.groups {
		if g.name == "" {
			for _, v := range g.versions {
				versions.Versions = append(versions.Versions, v.Version)
			}
			continue
		}
		one := *g.apiGroup()
		one.TypeMeta = metav1.TypeMeta{}
		list.Groups = append(list.Groups, one)
	}
	d.coreVersions, d.groupList = versions, list
}

// core and named are the groups of the aggregated documents at /api and /apis.
func (d *documents) core() []apidiscoveryv2.APIGroupDiscovery {
	return d.aggregated(func(g *group) bool { return g.name == "" })
}

func (d *documents) named() []apidiscoveryv2.APIGroupDiscovery {
	return d.aggregated(func(g *group) bool { return g.name != "" })
}

func (d *documents) aggregated(which func(*group) bool) []apidiscoveryv2.APIGroupDiscovery {
	out := []apidiscoveryv2.APIGroupDiscovery{}
	for _, g := range d.groups {
		if which(g) {
			out = append(out, apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: g.name}, Versions: g.versions})
		}
	}
	return out
}

// apiGroup is the document of the group at /apis/GROUP.
func (g *group) apiGroup() *metav1.APIGroup {
	out := &metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: g.name}
	for _, v := range g.versions {
		out.Versions = append(out.Versions, metav1.GroupVersionForDiscovery{
			GroupVersion: schema.GroupVersion{Group: g.name, Version: v.Version}.String(),
			Version:      v.Version,
		})
	}
	if len(out.Versions) > 0 {
		out.PreferredVersion = out.Versions[0]
	}
	return out
}

// resourceList is the document at /apis/GROUP/VERSION, nil when this server
// doesn't have it.
func (g *group) resourceList(version string) runtime.Object {
	if list := g.lists[version]; list != nil {
		return list
	}
	return nil
}

// apiResources describes a resource and its subresources.
func apiResources(e *registry.Entry) []metav1.APIResource {
	res := e.Resource
	main := metav1.APIResource{
		Name:         res.Name,
		SingularName: res.Singular,
		Namespaced:   res.Namespaced,
		Kind:         res.Kind,
		Verbs:        res.Verbs,
		ShortNames:   res.ShortNames,
		Categories:   res.Categories,
	}
	if res.Virtual == nil {
		stored := res.HubKind()
		if res.HashedVersion != "" {
			stored.Version = res.HashedVersion
		}
		main.StorageVersionHash = storageVersionHash(stored)
	}
	out := []metav1.APIResource{main}
	for _, s := range subresources(e) {
		kind, gv := kindOf(res, s)
		out = append(out, metav1.APIResource{
			Name:       res.Name + "/" + s.Name,
			Namespaced: res.Namespaced,
			Group:      gv.Group,
			Version:    gv.Version,
			Kind:       kind,
			Verbs:      s.Verbs,
		})
	}
	return out
}

// subresources gives a resource version's subresources in the order in which documents
// list them: by name, for custom resources as they are.
func subresources(e *registry.Entry) []*registry.Subresource {
	res := e.Resource
	out := make([]*registry.Subresource, 0, len(res.Subresources))
	for i := range res.Subresources {
		if s := &res.Subresources[i]; s.Serves(e.Version.Name) {
			out = append(out, s)
		}
	}
	if !res.Dynamic {
		slices.SortFunc(out, func(a, b *registry.Subresource) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// kindOf gives a subresource's kind, and its group version when that is not the
// one that the document is about.
func kindOf(res *registry.Resource, s *registry.Subresource) (string, schema.GroupVersion) {
	kind := s.Kind
	if kind == "" {
		kind = res.Kind
	}
	return kind, s.GroupVersion
}

func aggregatedResource(e *registry.Entry) apidiscoveryv2.APIResourceDiscovery {
	res := e.Resource
	// Kinds of the document's own group version leave it out; those of custom
	// resources name it.
	own := func(kind string, gv schema.GroupVersion) *metav1.GroupVersionKind {
		if gv.Empty() && res.Dynamic {
			gv = schema.GroupVersion{Group: res.Group, Version: e.Version.Name}
		}
		return &metav1.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: kind}
	}
	out := apidiscoveryv2.APIResourceDiscovery{
		Resource:         res.Name,
		ResponseKind:     own(res.Kind, schema.GroupVersion{}),
		Scope:            apidiscoveryv2.ScopeCluster,
		SingularResource: res.Singular,
		Verbs:            res.Verbs,
		ShortNames:       res.ShortNames,
		Categories:       res.Categories,
	}
	if res.Namespaced {
		out.Scope = apidiscoveryv2.ScopeNamespace
	}
	for _, s := range subresources(e) {
		kind, gv := kindOf(res, s)
		out.Subresources = append(out.Subresources, apidiscoveryv2.APISubresourceDiscovery{
			Subresource:  s.Name,
			ResponseKind: own(kind, gv),
			Verbs:        s.Verbs,
		})
	}
	return out
}

// aggregatedList is an aggregated document.
func aggregatedList(groups []apidiscoveryv2.APIGroupDiscovery) runtime.Object {
	return &apidiscoveryv2.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"},
		Items:    groups,
	}
}

// storageVersionHash tells clients, by being another one, that objects are
// stored in another version; it is computed as Kubernetes does.
func storageVersionHash(gvk schema.GroupVersionKind) string {
	sum := sha256.Sum256([]byte(gvk.Group + "/" + gvk.Version + "/" + gvk.Kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

func hash(body []byte) string { return fmt.Sprintf("%X", sha512.Sum512(body)) }
