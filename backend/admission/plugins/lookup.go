package plugins

import (
	"sync"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	"k8s.io/klog/v2"
)

// maxKept bounds the decoded objects that a lookup keeps.
const maxKept = 8192

// lookup finds the current objects of a resource, decoded. What was decoded is
// kept as long as the cache still has that version of the object, so that
// finding something again costs no more than a map access. Objects are shared:
// nobody changes them.
type lookup[T scheme.Object] struct {
	registry        *registry.Registry
	group, resource string

	mu   sync.RWMutex // guards kept
	kept map[string]decoded[T]
}

type decoded[T scheme.Object] struct {
	from *watchcache.Object
	obj  T
}

func newLookup[T scheme.Object](r *registry.Registry, group, resource string) *lookup[T] {
	return &lookup[T]{registry: r, group: group, resource: resource, kept: map[string]decoded[T]{}}
}

// get gives an object by its name; false when there is none.
func (l *lookup[T]) get(ns, name string) (T, bool) {
	var none T
	store := l.registry.Store(l.group, l.resource)
	if store == nil {
		return none, false // turned off by --runtime-config
	}
	o := store.Peek(ns, name)
	if o == nil {
		return none, false
	}
	return l.decode(store, o)
}

// each calls f for the objects of a namespace, or of all with an empty one, in
// the order of their names, until f gives false.
func (l *lookup[T]) each(ns string, f func(T) bool) {
	store := l.registry.Store(l.group, l.resource)
	if store == nil {
		return
	}
	store.Each(ns, func(o *watchcache.Object) bool {
		obj, ok := l.decode(store, o)
		return !ok || f(obj)
	})
}

func (l *lookup[T]) decode(store *registry.Store, o *watchcache.Object) (T, bool) {
	l.mu.RLock()
	known := l.kept[o.Key]
	l.mu.RUnlock()
	if known.from == o {
		return known.obj, true
	}
	var none T
	any, err := store.Decode(o)
	if err != nil {
		klog.ErrorS(err, "An object cannot be read", "resource", l.resource, "key", o.Key)
		return none, false
	}
	obj, ok := any.(T)
	if !ok {
		return none, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) >= maxKept {
		clear(l.kept)
	}
	l.kept[o.Key] = decoded[T]{o, obj}
	return obj, true
}
