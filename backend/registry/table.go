package registry

import (
	"fmt"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// Table is one immutable state of a Registry.
type Table struct {
	resources map[schema.GroupResource]*served
	entries   map[schema.GroupVersionResource]*Entry
	kinds     map[schema.GroupVersionKind]*Entry
	stores    map[schema.GroupResource]*Store
	groups    []Group
	// changed is closed when the next table has taken this one's place.
	changed chan struct{}
}

// served is a resource with its store, nil for a virtual one.
type served struct {
	resource *Resource
	store    *Store
}

// Entry is one resource in one version.
type Entry struct {
	Resource *Resource
	Version  *Version
	// Store is nil for a Virtual resource.
	Store *Store
}

// GVK is the kind that the entry's objects have.
func (e *Entry) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: e.Resource.Group, Version: e.Version.Name, Kind: e.Resource.Kind}
}

// GVR names the entry.
func (e *Entry) GVR() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: e.Resource.Group, Version: e.Version.Name, Resource: e.Resource.Name}
}

// Group is one group as discovery shows it.
type Group struct {
	Name string
	// Versions has the preferred version first.
	Versions []GroupVersion
}

// GroupVersion is one version of a group with its resources by name.
type GroupVersion struct {
	Name    string
	Entries []*Entry
}

// Lookup finds a resource in one of its versions.
func (t *Table) Lookup(group, version, resource string) (*Entry, bool) {
	e, ok := t.entries[schema.GroupVersionResource{Group: group, Version: version, Resource: resource}]
	return e, ok
}

// Groups gives all groups in the order in which Kubernetes' discovery lists
// them, the core group first. The slice is shared.
func (t *Table) Groups() []Group { return t.groups }

// Group finds a group by its name.
func (t *Table) Group(name string) (*Group, bool) {
	for i := range t.groups {
		if t.groups[i].Name == name {
			return &t.groups[i], true
		}
	}
	return nil, false
}

// Resource finds a resource by its group and name.
func (t *Table) Resource(group, name string) (*Resource, bool) {
	s, ok := t.resources[schema.GroupResource{Group: group, Resource: name}]
	if !ok {
		return nil, false
	}
	return s.resource, true
}

// ForKind finds the entry of a stored kind in a version.
func (t *Table) ForKind(gvk schema.GroupVersionKind) (*Entry, bool) {
	e, ok := t.kinds[gvk]
	return e, ok
}

// With gives a table that has more resources: those of other API servers, for whoever
// asks through the API what there is. They have no store; what the table has already
// stays.
func (t *Table) With(remote []*Resource) *Table {
	all := t.copy()
	var added []*Resource
	for _, r := range remote {
		if all[r.GroupResource()] == nil {
			all[r.GroupResource()] = &served{resource: r}
			added = append(added, r)
		}
	}
	if len(added) == 0 {
		return t
	}
	more := newTable(all)
	for _, r := range added {
		for i := range r.Versions {
			e := more.entries[r.GroupResource().WithVersion(r.Versions[i].Name)]
			if _, there := more.kinds[e.GVK()]; !there {
				more.kinds[e.GVK()] = e
			}
		}
	}
	return more
}

func (t *Table) copy() map[schema.GroupResource]*served {
	m := make(map[schema.GroupResource]*served, len(t.resources)+1)
	for k, v := range t.resources {
		m[k] = v
	}
	return m
}

func newTable(resources map[schema.GroupResource]*served) *Table {
	t := &Table{
		resources: resources,
		entries:   map[schema.GroupVersionResource]*Entry{},
		kinds:     map[schema.GroupVersionKind]*Entry{},
		stores:    map[schema.GroupResource]*Store{},
		changed:   make(chan struct{}),
	}
	groups := map[string]map[string][]*Entry{}
	for gr, s := range resources {
		if s.store != nil {
			t.stores[gr] = s.store
		}
		versions := groups[gr.Group]
		if versions == nil {
			versions = map[string][]*Entry{}
			groups[gr.Group] = versions
		}
		for i := range s.resource.Versions {
			e := &Entry{Resource: s.resource, Version: &s.resource.Versions[i], Store: s.store}
			t.entries[e.GVR()] = e
			if s.store != nil {
				t.kinds[e.GVK()] = e
			}
			versions[e.Version.Name] = append(versions[e.Version.Name], e)
		}
	}
	for name, versions := range groups {
		g := Group{Name: name}
		for v, entries := range versions {
			sort.Slice(entries, func(i, j int) bool { return entries[i].Resource.Name < entries[j].Resource.Name })
			g.Versions = append(g.Versions, GroupVersion{Name: v, Entries: entries})
		}
		sort.Slice(g.Versions, func(i, j int) bool {
			return version.CompareKubeAwareVersionStrings(g.Versions[i].Name, g.Versions[j].Name) > 0
		})
		t.groups = append(t.groups, g)
	}
	sort.Slice(t.groups, func(i, j int) bool {
		a, b := t.groups[i].Name, t.groups[j].Name
		if pa, pb := GroupPriority(a), GroupPriority(b); pa != pb {
			return pa > pb
		}
		return a < b
	})
	return t
}

// groupPriorities are the priorities of Kubernetes' own groups, as its
// APIService objects show them.
var groupPriorities = map[string]int32{
	"":                             18000,
	"apiregistration.k8s.io":       18000 - 1,
	"apps":                         17800,
	"events.k8s.io":                17750,
	"authentication.k8s.io":        17700,
	"authorization.k8s.io":         17600,
	"autoscaling":                  17500,
	"batch":                        17400,
	"certificates.k8s.io":          17300,
	"networking.k8s.io":            17200,
	"policy":                       17100,
	"rbac.authorization.k8s.io":    17000,
	"storage.k8s.io":               16800,
	"admissionregistration.k8s.io": 16700,
	"apiextensions.k8s.io":         16700,
	"scheduling.k8s.io":            16600,
	"coordination.k8s.io":          16500,
	"node.k8s.io":                  16300,
	"discovery.k8s.io":             16200,
	"resource.k8s.io":              16200,
	"flowcontrol.apiserver.k8s.io": 16100,
}

// customGroupPriority is the priority of groups that CRDs define.
const customGroupPriority = 1000

// GroupPriority is what discovery orders groups by, the higher one first.
func GroupPriority(group string) int32 {
	if p, ok := groupPriorities[group]; ok {
		return p
	}
	return customGroupPriority
}

// complete fills in what a Resource may leave out and finds what is wrong with
// it.
func (r *Resource) complete() error {
	name := schema.GroupResource{Group: r.Group, Resource: r.Name}
	if r.Name == "" || r.Kind == "" || len(r.Versions) == 0 {
		return fmt.Errorf("registry: resource %s lacks a name, a kind or a version", name)
	}
	if r.ListKind == "" {
		r.ListKind = r.Kind + "List"
	}
	if r.Verbs == nil {
		r.Verbs = StandardVerbs
	}
	if r.Virtual != nil {
		return nil
	}
	hubs := 0
	if r.Stored != nil {
		hubs++
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.New == nil {
			return fmt.Errorf("registry: version %s of %s has no New", v.Name, name)
		}
		if (v.ToHub == nil) != (v.FromHub == nil) {
			return fmt.Errorf("registry: version %s of %s converts one way only", v.Name, name)
		}
		if v.ToHub == nil {
			hubs++
		}
	}
	if hubs != 1 {
		return fmt.Errorf("registry: %s has %d storage versions", name, hubs)
	}
	return nil
}

// Hub gives the storage version, nil for a Virtual resource.
func (r *Resource) Hub() *Version {
	if r.Stored != nil {
		return r.Stored
	}
	for i := range r.Versions {
		if r.Versions[i].ToHub == nil && r.Versions[i].FromHub == nil {
			return &r.Versions[i]
		}
	}
	return nil
}

// HubKind is the kind that stored objects have.
func (r *Resource) HubKind() schema.GroupVersionKind {
	gvk := schema.GroupVersionKind{Group: r.Group, Kind: r.Kind}
	if r.StoredAs != nil {
		gvk.Group = r.StoredAs.Group
	}
	if hub := r.Hub(); hub != nil {
		gvk.Version = hub.Name
	}
	return gvk
}

// GroupResource names the resource.
func (r *Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Name}
}

// GroupKind names the resource's kind.
func (r *Resource) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: r.Group, Kind: r.Kind}
}
