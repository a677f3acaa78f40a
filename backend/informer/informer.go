// Package informer keeps the objects of a resource in memory for code in this
// process: a list, then a watch, with indexes and change handlers. It speaks
// through backend/client, so it sees what its user may see.
package informer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"pilothouse/backend/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
)

// Object is what an Informer has to know of what it keeps.
type Object interface {
	GetNamespace() string
	GetName() string
	GetResourceVersion() string
}

// Index gives the values under which an object is found.
type Index[T Object] func(obj T) []string

// Informer is the current objects of one resource. Objects are shared: whoever
// wants to change one copies it first.
type Informer[T Object] struct {
	client    *client.Client
	resource  schema.GroupVersionResource
	namespace string
	fields    string
	newObject func() T
	indexes   map[string]Index[T]
	handlers  []func(old, current T)

	synced   chan struct{}
	syncOnce sync.Once

	mu       sync.RWMutex
	objects  map[string]T
	indexed  map[string]map[string]map[string]T // index name, value, key
	revision string
}

// New gives an Informer over all namespaces, or one when namespace is set. It
// does nothing until Run.
func New[T Object](c *client.Client, gvr schema.GroupVersionResource, namespace string, newObject func() T) *Informer[T] {
	return &Informer[T]{
		client: c, resource: gvr, namespace: namespace, newObject: newObject,
		indexes: map[string]Index[T]{}, synced: make(chan struct{}),
		objects: map[string]T{}, indexed: map[string]map[string]map[string]T{},
	}
}

// Index adds an index; to be called before Run.
func (i *Informer[T]) Index(name string, of Index[T]) *Informer[T] {
	i.indexes[name] = of
	i.indexed[name] = map[string]map[string]T{}
	return i
}

// Only keeps the objects that a field selector chooses; to be called before Run.
func (i *Informer[T]) Only(fieldSelector string) *Informer[T] {
	i.fields = fieldSelector
	return i
}

// OnChange adds a handler; to be called before Run. old is the zero T for a new
// object, current is the zero T for one that is gone. Handlers run one after
// another in the order of changes; they must not block.
func (i *Informer[T]) OnChange(f func(old, current T)) *Informer[T] {
	i.handlers = append(i.handlers, f)
	return i
}

// Synced is closed when the objects that existed at the start are in memory.
func (i *Informer[T]) Synced() <-chan struct{} { return i.synced }

// Key is NAMESPACE/NAME, or NAME for what is cluster-scoped.
func Key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// Get gives an object.
func (i *Informer[T]) Get(namespace, name string) (obj T, ok bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	obj, ok = i.objects[Key(namespace, name)]
	return obj, ok
}

// List gives all objects, in no particular order.
func (i *Informer[T]) List() []T {
	i.mu.RLock()
	defer i.mu.RUnlock()
	out := make([]T, 0, len(i.objects))
	for _, o := range i.objects {
		out = append(out, o)
	}
	return out
}

// ByIndex gives the objects that an index lists under a value.
func (i *Informer[T]) ByIndex(index, value string) []T {
	i.mu.RLock()
	defer i.mu.RUnlock()
	found := i.indexed[index][value]
	out := make([]T, 0, len(found))
	for _, o := range found {
		out = append(out, o)
	}
	return out
}

// maxRetry bounds the wait between two tries.
const maxRetry = 10 * time.Second

// Run lists and watches until ctx ends. It gives only ctx's error.
func (i *Informer[T]) Run(ctx context.Context) error {
	wait := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := i.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			wait = 50 * time.Millisecond
			continue
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			i.revision = ""
			continue
		}
		klog.V(2).InfoS("Informer starts again", "resource", i.resource.Resource, "err", err)
		i.revision = ""
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			wait = min(2*wait, maxRetry)
		}
	}
	return ctx.Err()
}

// follow lists unless it knows a revision to go on from, then watches until the
// watch ends.
func (i *Informer[T]) follow(ctx context.Context) error {
	if i.revision == "" {
		if err := i.list(ctx); err != nil {
			return err
		}
	}
	options := metav1.ListOptions{ResourceVersion: i.revision, AllowWatchBookmarks: true, FieldSelector: i.fields}
	return i.client.Watch(ctx, i.resource, i.namespace, options, i.event)
}

func (i *Informer[T]) list(ctx context.Context) error {
	call := client.Call{Method: "GET", Path: client.Path(i.resource, i.namespace, "", "")}
	if i.fields != "" {
		call.Query = url.Values{"fieldSelector": {i.fields}}
	}
	raw, err := i.client.Bytes(ctx, call)
	if err != nil {
		return err
	}
	var list struct {
		Metadata metav1.ListMeta   `json:"metadata"`
		Items    []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("decode list of %s: %w", i.resource.Resource, err)
	}
	seen := make(map[string]bool, len(list.Items))
	for _, item := range list.Items {
		obj, err := i.decode(item)
		if err != nil {
			return err
		}
		seen[Key(obj.GetNamespace(), obj.GetName())] = true
		i.set(obj)
	}
	for _, obj := range i.List() {
		if key := Key(obj.GetNamespace(), obj.GetName()); !seen[key] {
			i.remove(obj)
		}
	}
	i.revision = list.Metadata.ResourceVersion
	i.syncOnce.Do(func() { close(i.synced) })
	return nil
}

func (i *Informer[T]) decode(raw []byte) (T, error) {
	obj := i.newObject()
	if err := json.Unmarshal(raw, obj); err != nil {
		return obj, fmt.Errorf("decode an object of %s: %w", i.resource.Resource, err)
	}
	return obj, nil
}

func (i *Informer[T]) event(e client.Event) error {
	obj, err := i.decode(e.Object)
	if err != nil {
		return err
	}
	switch e.Type {
	case watch.Added, watch.Modified:
		i.set(obj)
	case watch.Deleted:
		i.remove(obj)
	}
	i.revision = obj.GetResourceVersion()
	return nil
}

func (i *Informer[T]) set(obj T) {
	key := Key(obj.GetNamespace(), obj.GetName())
	i.mu.Lock()
	old, had := i.objects[key]
	if had && old.GetResourceVersion() == obj.GetResourceVersion() {
		i.mu.Unlock()
		return
	}
	if had {
		i.unindex(key, old)
	}
	i.objects[key] = obj
	for name, of := range i.indexes {
		for _, value := range of(obj) {
			if i.indexed[name][value] == nil {
				i.indexed[name][value] = map[string]T{}
			}
			i.indexed[name][value][key] = obj
		}
	}
	i.mu.Unlock()
	for _, f := range i.handlers {
		f(old, obj)
	}
}

func (i *Informer[T]) remove(obj T) {
	key := Key(obj.GetNamespace(), obj.GetName())
	i.mu.Lock()
	old, had := i.objects[key]
	if had {
		i.unindex(key, old)
		delete(i.objects, key)
	}
	i.mu.Unlock()
	if !had {
		return
	}
	var none T
	for _, f := range i.handlers {
		f(obj, none)
	}
}

// unindex takes an object out of the indexes; mu is held.
func (i *Informer[T]) unindex(key string, obj T) {
	for name, of := range i.indexes {
		for _, value := range of(obj) {
			delete(i.indexed[name][value], key)
			if len(i.indexed[name][value]) == 0 {
				delete(i.indexed[name], value)
			}
		}
	}
}
