package endpoints

import (
	"slices"
	"sync"
	"sync/atomic"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// verbs is a set of verbs.
type verbs uint16

const (
	canGet verbs = 1 << iota
	canList
	canWatch
	canCreate
	canUpdate
	canPatch
	canDelete
	canDeleteCollection

	onCollection = canList | canCreate | canDeleteCollection
	onItem       = canGet | canUpdate | canPatch | canDelete
)

var verbNames = map[string]verbs{
	"get": canGet, "list": canList, "watch": canWatch, "create": canCreate, "update": canUpdate,
	"patch": canPatch, "delete": canDelete, "deletecollection": canDeleteCollection,
}

func verbsOf(names []string) (set verbs) {
	for _, n := range names {
		set |= verbNames[n]
	}
	return set
}

// virtualVerbs are the verbs that a resource without storage has code for.
func virtualVerbs(v *registry.Virtual) (set verbs) {
	if v.Create != nil {
		set |= canCreate
	}
	if v.Get != nil {
		set |= canGet
	}
	if v.List != nil {
		set |= canList
	}
	return set
}

func (v verbs) has(w verbs) bool { return v&w != 0 }

// view is what requests for one resource in one version need, worked out once.
type view struct {
	entry *registry.Entry
	gvk   schema.GroupVersionKind
	gvr   schema.GroupVersionResource
	// listed are the verbs that discovery tells of, verbs those of them that
	// there is code for.
	listed, verbs verbs
	subs          map[string]verbs
	// own are the objects of their own that subresources have (Scale,
	// TokenRequest), as resources: that is what the field manager tracks them by.
	own map[string]*registry.Resource
	// typed tells a built-in resource from one of a CRD; hub that the version
	// is the one that is stored.
	typed, hub bool
	// apiVersion and variant, the name of this version's JSON among an object's
	// variants, are the group version.
	apiVersion, variant string

	// itemHead is how the JSON of a built-in object starts; in a list it is
	// left out. listHead is the start of a list up to its metadata.
	itemHead, listHead string
	// tableColumns are the columnDefinitions of the table form.
	table *tableForm
	// Names of shared encodings.
	keys viewKeys
}

// viewKeys are the names under which other encodings of an object or an event
// are kept. They differ between versions, since two resources may show the same
// objects.
type viewKeys struct {
	protobuf, metadata, row string
	frame                   frameKeys
}

func newView(e *registry.Entry) *view {
	v := &view{entry: e, gvk: e.GVK(), gvr: e.GVR()}
	res := e.Resource
	v.typed = !res.Dynamic
	v.hub = e.Version.ToHub == nil && e.Version.FromHub == nil
	v.listed = verbsOf(res.Verbs)
	v.verbs = v.listed
	if virtual := res.Virtual; virtual != nil {
		v.verbs &= virtualVerbs(virtual)
	}
	v.subs = make(map[string]verbs, len(res.Subresources))
	v.own = map[string]*registry.Resource{}
	for i := range res.Subresources {
		s := &res.Subresources[i]
		v.subs[s.Name] = verbsOf(s.Verbs)
		if own := ownObject(res, s, v.gvk.GroupVersion()); own != nil {
			v.own[s.Name] = own
		}
	}
	v.apiVersion = v.gvk.GroupVersion().String()
	v.variant = v.apiVersion
	v.itemHead = `{"kind":"` + v.gvk.Kind + `","apiVersion":"` + v.apiVersion + `",`
	v.listHead = `{"kind":"` + res.ListKind + `","apiVersion":"` + v.apiVersion + `","metadata":{`
	v.table = newTableForm(columnsOf(e))
	v.keys = viewKeys{
		protobuf: "protobuf " + v.variant,
		metadata: "metadata " + v.variant,
		row:      "row " + v.variant,
		frame:    newFrameKeys(v.variant),
	}
	return v
}

// viewCache holds the views of the newest table.
type viewCache struct {
	mu      sync.Mutex
	current atomic.Pointer[viewSet]
}

type viewSet struct {
	table *registry.Table
	views map[schema.GroupVersionResource]*view
	// routed are the groups with a built-in resource: for those Kubernetes'
	// router answers what it doesn't know.
	routed map[string]bool
}

// set gives the views of a table.
func (c *viewCache) set(t *registry.Table) *viewSet {
	if s := c.current.Load(); s != nil && s.table == t {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.current.Load()
	if old != nil && old.table == t {
		return old
	}
	s := &viewSet{table: t, views: map[schema.GroupVersionResource]*view{}, routed: map[string]bool{"": true}}
	for _, g := range t.Groups() {
		for _, gv := range g.Versions {
			for _, e := range gv.Entries {
				if !e.Resource.Dynamic {
					s.routed[g.Name] = true
				}
				v := old.find(e)
				if v == nil {
					v = newView(e)
				}
				s.views[e.GVR()] = v
			}
		}
	}
	c.current.Store(s)
	return s
}

// find gives the view that another table's set has for the same version of the
// same resource.
func (s *viewSet) find(e *registry.Entry) *view {
	if s == nil {
		return nil
	}
	v := s.views[e.GVR()]
	if v == nil || v.entry.Version != e.Version || v.entry.Store != e.Store {
		return nil
	}
	return v
}

// of gives the view of a resource, nil when the table doesn't have it.
func (c *viewCache) of(t *registry.Table, group, version, resource string) *view {
	return c.set(t).views[schema.GroupVersionResource{Group: group, Version: version, Resource: resource}]
}

// subresource finds one of a resource version's subresources.
func subresource(e *registry.Entry, name string) *registry.Subresource {
	res := e.Resource
	i := slices.IndexFunc(res.Subresources, func(s registry.Subresource) bool { return s.Name == name && s.Serves(e.Version.Name) })
	if i < 0 {
		return nil
	}
	return &res.Subresources[i]
}

func columnsOf(e *registry.Entry) []registry.Column {
	if e.Version.Columns != nil {
		return e.Version.Columns
	}
	return e.Resource.Columns
}

// ownObject describes the object that a subresource takes and gives back, nil
// when it has none of its own. Bindings and evictions are answered with a
// Status: nobody sees who set their fields, so they are not tracked.
func ownObject(res *registry.Resource, s *registry.Subresource, gv schema.GroupVersion) *registry.Resource {
	if s.Create == nil && s.Update == nil || s.New == nil || s.Kind == "" || s.Kind == "Binding" || s.Kind == "Eviction" {
		return nil
	}
	if _, ok := s.New().(scheme.Object); !ok {
		return nil
	}
	if !s.GroupVersion.Empty() {
		gv = s.GroupVersion
	}
	return &registry.Resource{
		Group: gv.Group, Name: res.Name, Kind: s.Kind, Namespaced: res.Namespaced,
		Versions: []registry.Version{{Name: gv.Version, New: func() scheme.Object { return s.New().(scheme.Object) }}},
	}
}
