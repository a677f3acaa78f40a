package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// Follower watches resources, also those that come later, from now on or with
// what there is. It decodes nothing, so it costs little for pods and events too.
type Follower struct {
	Deps
	// Initial begins with the objects that exist, as events of the type Added.
	Initial bool
	// Want chooses the resources.
	Want func(r *registry.Resource) bool
	// Event is told of events, one after another for each resource.
	Event func(store *registry.Store, e *watchcache.Event)
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	watching := map[*registry.Store]context.CancelFunc{}
	ended := make(chan struct{})
	running := 0
	defer func() {
		for range running {
			<-ended
		}
	}()
	for {
		changed := f.Registry.Changed()
		now := f.stores()
		for store, stop := range watching {
			if !now[store] {
				stop()
				delete(watching, store)
			}
		}
		for store := range now {
			if watching[store] != nil {
				continue
			}
			own, stop := context.WithCancel(ctx)
			watching[store] = stop
			running++
			go func() {
				defer func() { ended <- struct{}{} }()
				metrics.Kept(own, "controller", func() { f.watch(own, store) })()
			}()
		}
		select {
		case <-ctx.Done():
			for _, stop := range watching {
				stop()
			}
			return ctx.Err()
		case <-ended:
			running--
		case <-changed:
		}
	}
}

func (f *Follower) stores() map[*registry.Store]bool {
	out := map[*registry.Store]bool{}
	for _, group := range f.Registry.Table().Groups() {
		for _, version := range group.Versions {
			for _, e := range version.Entries {
				if e.Store != nil && e.Resource.StoredAs == nil && Can(e.Resource, "watch") && f.Want(e.Resource) {
					out[e.Store] = true
				}
			}
		}
	}
	return out
}

func (f *Follower) watch(ctx context.Context, store *registry.Store) {
	for ctx.Err() == nil {
		err := Protect(ctx, func(ctx context.Context) error {
			var from registry.WatchOptions
			if !f.Initial {
				from.ResourceVersion = strconv.FormatInt(max(store.Revision(), 1), 10)
			}
			w, err := store.Watch(ctx, from)
			if err != nil {
				return err
			}
			defer w.Close()
			for {
				events, err := w.Next(ctx, 0)
				if err != nil {
					return err
				}
				for i := range events {
					f.Event(store, &events[i])
				}
			}
		})
		if ctx.Err() == nil {
			klog.V(2).InfoS("A controller watches again", "resource", store.Resource().Name, "err", err)
			Wait(ctx, 100*time.Millisecond)
		}
	}
}

// Only wants one resource.
func Only(group, name string) func(*registry.Resource) bool {
	return func(r *registry.Resource) bool { return r.Group == group && r.Name == name }
}

// NameOf says where an object is.
func NameOf(o *watchcache.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

// Can tells whether a resource has a verb.
func Can(r *registry.Resource, verb string) bool {
	verbs := r.Verbs
	if verbs == nil {
		verbs = registry.StandardVerbs
	}
	return slices.Contains(verbs, verb)
}

// Field gives the value of a selectable field of an object.
func Field(store *registry.Store, o *watchcache.Object, name string) string {
	return o.Field(slices.IndexFunc(store.Resource().Fields, func(f registry.Field) bool { return f.Name == name }))
}

// Peek gives the newest state of an object, nil when there is none or the resource
// is turned off.
func Peek(r *registry.Registry, group, resource, namespace, name string) *watchcache.Object {
	store := r.Store(group, resource)
	if store == nil {
		return nil
	}
	return store.Peek(namespace, name)
}

var ownersKey = []byte(`"ownerReferences":`)

// ControllerOf gives the owner of a stored object that controls it, nil when it
// has none. Only that part of the object is decoded; in a string the key's quotes
// are escaped.
func ControllerOf(o *watchcache.Object) *metav1.OwnerReference {
	i := bytes.Index(o.Raw, ownersKey)
	if i < 0 {
		return nil
	}
	var refs []metav1.OwnerReference
	if json.NewDecoder(bytes.NewReader(o.Raw[i+len(ownersKey):])).Decode(&refs) != nil {
		return nil
	}
	for j := range refs {
		if r := &refs[j]; r.Controller != nil && *r.Controller {
			return r
		}
	}
	return nil
}
