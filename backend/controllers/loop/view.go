package loop

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// View is the current objects of a built-in resource, read where the server
// keeps them: what was written is there when the write is answered, so that a
// loop sees what it did before. Objects are decoded when they are asked for and
// kept until they change. They are shared: who changes one copies it first.
type View[T scheme.Object] struct {
	registry    *registry.Registry
	group, name string

	mu   sync.Mutex
	kept map[string]decoded[T] // by the object's key
}

type decoded[T scheme.Object] struct {
	from *watchcache.Object
	obj  T
}

// NewView gives a View of a resource, whose storage version's type is T.
func NewView[T scheme.Object](d Deps, group, name string) *View[T] {
	return &View[T]{registry: d.Registry, group: group, name: name, kept: map[string]decoded[T]{}}
}

// Get gives an object.
func (v *View[T]) Get(namespace, name string) (obj T, ok bool) {
	store := v.registry.Store(v.group, v.name)
	if store == nil {
		return obj, false
	}
	o := store.Peek(namespace, name)
	if o == nil {
		return obj, false
	}
	return v.decode(store, o)
}

// List gives the objects of a namespace, or of all with an empty one, that a
// selector chooses and, unless want is nil, want does before they are decoded.
func (v *View[T]) List(namespace string, selector labels.Selector, want func(*watchcache.Object) bool) []T {
	store := v.registry.Store(v.group, v.name)
	if store == nil {
		return nil
	}
	var found []*watchcache.Object
	store.Each(namespace, func(o *watchcache.Object) bool {
		if selector.Matches(o.Labels) && (want == nil || want(o)) {
			found = append(found, o)
		}
		return true
	})
	return v.decodeAll(store, found)
}

// ListOwned gives the objects of a namespace that an owner controls, and those
// without one that a selector chooses. It is fast where the resource has an index
// of controllers.
func (v *View[T]) ListOwned(namespace string, owner types.UID, selector labels.Selector) []T {
	store := v.registry.Store(v.group, v.name)
	if store == nil {
		return nil
	}
	var found []*watchcache.Object
	own := func(o *watchcache.Object) bool {
		found = append(found, o)
		return true
	}
	free := func(o *watchcache.Object) bool {
		if selector.Matches(o.Labels) {
			found = append(found, o)
		}
		return true
	}
	if store.EachBy(registry.ControllerField, string(owner), namespace, own) {
		store.EachBy(registry.ControllerField, "", namespace, free)
		return v.decodeAll(store, found)
	}
	uid := []byte(owner)
	store.Each(namespace, func(o *watchcache.Object) bool {
		matches := selector.Matches(o.Labels)
		if !matches && !bytes.Contains(o.Raw, uid) {
			return true
		}
		ref := ControllerOf(o)
		if ref == nil && matches || ref != nil && ref.UID == owner {
			found = append(found, o)
		}
		return true
	})
	return v.decodeAll(store, found)
}

func (v *View[T]) decodeAll(store *registry.Store, found []*watchcache.Object) []T {
	out := make([]T, 0, len(found))
	for _, o := range found {
		if obj, ok := v.decode(store, o); ok {
			out = append(out, obj)
		}
	}
	return out
}

func (v *View[T]) decode(store *registry.Store, o *watchcache.Object) (obj T, ok bool) {
	v.mu.Lock()
	have, known := v.kept[o.Key]
	v.mu.Unlock()
	if known && have.from == o {
		return have.obj, true
	}
	fresh, err := store.Decode(o)
	if err != nil {
		klog.ErrorS(err, "A controller cannot read an object", "resource", v.name, "object", o.Key)
		return obj, false
	}
	obj, ok = fresh.(T)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept[o.Key] = decoded[T]{o, obj}
	return obj, ok
}

// Follower gives one that tells of changes, and lets the View forget what is
// gone. previous is nil for what is new or not known from before.
func (v *View[T]) Follower(d Deps, changed func(current, previous *watchcache.Object, gone bool)) *Follower {
	return &Follower{Deps: d, Initial: true, Want: Only(v.group, v.name), Event: func(_ *registry.Store, e *watchcache.Event) {
		gone := e.Type == watchcache.Deleted
		if gone {
			v.mu.Lock()
			delete(v.kept, e.Object.Key)
			v.mu.Unlock()
		}
		changed(e.Object, e.Previous(), gone)
	}}
}

// caughtUpWithin bounds the wait for a write of this process to be visible.
const caughtUpWithin = 10 * time.Second

// CatchUp waits until the View shows a write that was answered with obj. With
// storage of its own the server shows it at once; with shared storage it may
// take a moment.
func (v *View[T]) CatchUp(ctx context.Context, obj T) {
	store := v.registry.Store(v.group, v.name)
	revision, err := strconv.ParseInt(obj.GetResourceVersion(), 10, 64)
	if store == nil || err != nil {
		return
	}
	for end := time.Now().Add(caughtUpWithin); store.Revision() < revision && ctx.Err() == nil && time.Now().Before(end); {
		Wait(ctx, 5*time.Millisecond)
	}
}

// Key says where an object is.
func Key(obj scheme.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}
