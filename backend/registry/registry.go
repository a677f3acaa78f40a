package registry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/storage"

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
	table atomic.Pointer[Table]

	// mu orders changes of the table and guards changed and started.
	mu      sync.Mutex
	changed chan struct{}
	started bool
}

// Options are what a Registry works with.
type Options struct {
	Engine storage.Engine
	// Clock is time.Now when nil, NewUID a random UUID, NameSuffix the five
	// letters that Kubernetes adds to a generateName.
	Clock      Clock
	NewUID     func() string
	NameSuffix func() string
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
	r := &Registry{o: o, changed: make(chan struct{})}
	r.table.Store(newTable(nil))
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
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Start loads what the engine holds and begins to take writes. Resources may be
// added before and after it; reads of those added before work from here on.
func (r *Registry) Start(ctx context.Context) error {
	return fmt.Errorf("registry: not there yet")
}

// Add puts resources into the table: all of them or, when one is wrong or
// already there, none.
func (r *Registry) Add(resources ...Resource) error {
	return r.change(func(entries map[schema.GroupResource]*served) error {
		for i := range resources {
			res := &resources[i]
			gr := schema.GroupResource{Group: res.Group, Resource: res.Name}
			if _, there := entries[gr]; there {
				return fmt.Errorf("registry: %s is already there", gr)
			}
			s, err := r.serve(res)
			if err != nil {
				return err
			}
			entries[gr] = s
		}
		return nil
	})
}

// Replace puts a resource in the place of the one of its name, whose objects it
// keeps.
func (r *Registry) Replace(res Resource) error {
	return r.change(func(entries map[schema.GroupResource]*served) error {
		s, err := r.serve(&res)
		if err != nil {
			return err
		}
		entries[schema.GroupResource{Group: res.Group, Resource: res.Name}] = s
		return nil
	})
}

// Remove takes a resource out of the table; its watches end. Its objects stay
// in storage.
func (r *Registry) Remove(group, name string) error {
	return r.change(func(entries map[schema.GroupResource]*served) error {
		gr := schema.GroupResource{Group: group, Resource: name}
		if _, there := entries[gr]; !there {
			return fmt.Errorf("registry: %s is not there", gr)
		}
		delete(entries, gr)
		return nil
	})
}

// change makes a new table from a changed copy of the old one's resources.
func (r *Registry) change(f func(map[schema.GroupResource]*served) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := r.Table().copy()
	if err := f(entries); err != nil {
		return err
	}
	r.table.Store(newTable(entries))
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// serve checks a resource and makes its store.
func (r *Registry) serve(res *Resource) (*served, error) {
	if err := res.complete(); err != nil {
		return nil, err
	}
	s := &served{resource: res}
	if res.Virtual == nil {
		s.store = &Store{}
	}
	return s, nil
}
