package registry

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// Registry is the one live table: which resources are served, each with its
// Store. Routing, discovery, OpenAPI and the dashboard are views of it; CRDs
// and APIServices write to it. It is a copy-on-write snapshot, so reading takes
// no lock.
type Registry struct {
	o     Options
	hub   *watchcache.Hub
	table atomic.Pointer[Table]

	// floor is the oldest revision that can be read, as far as BeginHistory
	// says; the engine and the cache know their own.
	floor atomic.Int64

	mu sync.Mutex // orders changes of the table
}

// Options are what a Registry works with.
type Options struct {
	Engine storage.Engine
	// Server is the name of this server in the notes of its writes, which an
	// engine that is Noting keeps: who asks who made a write of another server
	// learns which. Empty for no notes.
	Server string
	// Clock is time.Now when nil, NewUID a random UUID, NameSuffix the five
	// letters that Kubernetes adds to a generateName.
	Clock      Clock
	NewUID     func() string
	NameSuffix func() string
	// FutureWait is how long a read waits for a resourceVersion that is not
	// there yet, 3 s when 0.
	FutureWait time.Duration
	// DeleteCollectionWorkers is how many objects of a collection are deleted at
	// the same time; 0 is one after the other.
	DeleteCollectionWorkers int
}

// New gives an empty Registry over an engine that has been opened and not been
// started.
func New(o Options) (*Registry, error) {
	if o.Engine == nil {
		return nil, fmt.Errorf("registry: no engine")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewUID == nil {
		o.NewUID = func() string { return string(uuid.NewUUID()) }
	}
	if o.NameSuffix == nil {
		o.NameSuffix = func() string { return utilrand.String(generatedLength) }
	}
	if o.FutureWait == 0 {
		o.FutureWait = 3 * time.Second
	}
	r := &Registry{o: o, hub: watchcache.NewHub()}
	r.table.Store(newTable(nil))
	measured.Store(r)
	return r, nil
}

// Table gives the table as it is now.
func (r *Registry) Table() *Table { return r.table.Load() }

// Store gives the Store of a resource, nil when there is none.
func (r *Registry) Store(group, resource string) *Store {
	return r.Table().stores[schema.GroupResource{Group: group, Resource: resource}]
}

// Changed gives a channel that is closed at the next change of the table. Ask
// for it before reading the table.
func (r *Registry) Changed() <-chan struct{} { return r.Table().changed }

// Start loads what the engine holds and begins to take writes. Resources may be
// added before and after it; objects of those added before are loaded with
// their recent events.
func (r *Registry) Start(ctx context.Context) error { return r.hub.Start(ctx, r.o.Engine) }

// Loaded says that all resources that have objects from before the start are in
// the table. Those that were added after Start have their recent events, too.
func (r *Registry) Loaded() { r.hub.Loaded() }

// BeginHistory makes all revisions before the newest one unreadable: what was
// written before is how the server came to be. A watch or a list at one of them
// then is a 410, as on any cluster, and not a replay of the set-up.
func (r *Registry) BeginHistory(ctx context.Context) error {
	revision := r.hub.Revision()
	r.floor.Store(revision)
	if err := r.o.Engine.Compact(ctx, revision); err != nil {
		return fmt.Errorf("compact at revision %d: %w", revision, err)
	}
	return nil
}

// Close ends all watches. The engine is to be closed first.
func (r *Registry) Close() { r.hub.Close() }

// Revision is the newest revision that reads show.
func (r *Registry) Revision() int64 { return r.hub.Revision() }

// Add puts resources into the table: all of them or, when one is wrong or
// already there, none.
func (r *Registry) Add(resources ...Resource) error {
	return r.change(func(t map[schema.GroupResource]*served) error {
		var own, shared []*Resource
		for i := range resources {
			res := &resources[i]
			if err := res.complete(); err != nil {
				return err
			}
			if _, there := t[res.GroupResource()]; there {
				return fmt.Errorf("registry: %s is already there", res.GroupResource())
			}
			t[res.GroupResource()] = &served{resource: res}
			switch {
			case res.Virtual != nil:
			case res.StoredAs != nil:
				shared = append(shared, res)
			default:
				own = append(own, res)
			}
		}
		for i, res := range append(own, shared...) {
			if err := r.serve(t, res); err != nil {
				for _, done := range own[:min(i, len(own))] {
					r.hub.Remove(done.prefix())
				}
				return err
			}
		}
		return nil
	})
}

// Replace puts a resource in the place of the one of its name, whose objects it
// keeps. Watches go on, unless the selectable fields are others or the resource
// is Dynamic: then its objects are read anew in the form of the new definition.
func (r *Registry) Replace(res Resource) error {
	return r.change(func(t map[schema.GroupResource]*served) error {
		if err := res.complete(); err != nil {
			return err
		}
		old := t[res.GroupResource()]
		t[res.GroupResource()] = &served{resource: &res}
		switch {
		case res.Virtual != nil:
			return nil
		case old != nil && old.store != nil && old.store.prefix == res.prefix() && sameFields(old.store.fields, res.Fields) && !res.Dynamic && !res.sharesCache():
			t[res.GroupResource()].store = r.newStore(&res, old.store.cache, old.store.fields)
			return nil
		}
		return r.serve(t, &res)
	})
}

// Remove takes a resource out of the table; its watches end. Its objects stay
// in storage.
func (r *Registry) Remove(group, name string) error {
	return r.change(func(t map[schema.GroupResource]*served) error {
		gr := schema.GroupResource{Group: group, Resource: name}
		s, there := t[gr]
		if !there {
			return fmt.Errorf("registry: %s is not there", gr)
		}
		delete(t, gr)
		if s.store != nil && !s.resource.sharesCache() {
			r.hub.Remove(s.store.prefix)
		}
		return nil
	})
}

// change makes a new table from a changed copy of the old one's resources.
func (r *Registry) change(f func(map[schema.GroupResource]*served) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.Table()
	entries := old.copy()
	if err := f(entries); err != nil {
		return err
	}
	r.table.Store(newTable(entries))
	close(old.changed)
	return nil
}

// serve makes the store of a resource, over the cache of another one where it
// is stored as that.
func (r *Registry) serve(t map[schema.GroupResource]*served, res *Resource) error {
	if res.sharesCache() {
		owner := t[*res.StoredAs]
		if owner == nil || owner.store == nil {
			return fmt.Errorf("registry: %s is stored as %s, which is not there", res.GroupResource(), res.StoredAs)
		}
		if len(res.Fields) > len(owner.store.fields) {
			return fmt.Errorf("registry: %s has more fields than %s", res.GroupResource(), res.StoredAs)
		}
		t[res.GroupResource()].store = r.newStore(res, owner.store.cache, owner.store.fields)
		return nil
	}
	s := r.newStore(res, nil, res.Fields)
	cache, err := r.hub.AddContext(context.Background(), watchcache.Config{
		Prefix:     s.prefix,
		Namespaced: res.Namespaced,
		Fields:     fieldNames(res.Fields),
		Indexes:    indexes(res.Fields),
		Decode: func(_ string, value []byte, attachment any) (*watchcache.Object, error) {
			return s.read(value, attachment)
		},
	})
	if err != nil {
		return fmt.Errorf("registry: objects of %s: %w", res.GroupResource(), err)
	}
	s.cache = cache
	t[res.GroupResource()].store = s
	return nil
}

// sharesCache tells that the resource shows the objects of another one.
func (r *Resource) sharesCache() bool { return r.StoredAs != nil && *r.StoredAs != r.GroupResource() }

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func indexes(fields []Field) []int {
	var positions []int
	for i, f := range fields {
		if f.Index {
			positions = append(positions, i)
		}
	}
	return positions
}

// sameFields tells whether a cache that holds the values of the fields a serves
// the fields b.
func sameFields(a, b []Field) bool {
	return slices.EqualFunc(a, b, func(x, y Field) bool { return x.Name == y.Name && x.Index == y.Index })
}
