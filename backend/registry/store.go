package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

// generatedLength is the number of letters that a generateName gets.
const generatedLength = 5

// Store is the generic verbs over one resource's storage and cache, with the
// semantics of Kubernetes' generic registry. Objects that go in and out are in
// the storage version; those in a *watchcache.Object are shared and never
// changed.
type Store struct {
	o        *Options
	engine   storage.Engine
	hub      *watchcache.Hub
	floor    *atomic.Int64
	cache    *watchcache.Cache
	resource *Resource
	gr       schema.GroupResource
	// resourceName is RESOURCE.GROUP, for the life of requests.
	resourceName string
	version      *Version // the storage version
	gvk          schema.GroupVersionKind
	prefix       string
	fields       []Field       // those that the cache holds values of
	names        []string      // what they are called here, by position
	reads        *scheme.Paths // what they look at
	calls        *metrics.Storage
	noted        bool // storage keeps who made each write
}

// newStore makes the store of a resource over a cache; fields are those that
// the cache indexes.
func (r *Registry) newStore(res *Resource, cache *watchcache.Cache, fields []Field) *Store {
	_, notes := r.o.Engine.(storage.Noting)
	return &Store{
		o:            &r.o,
		engine:       r.o.Engine,
		hub:          r.hub,
		floor:        &r.floor,
		cache:        cache,
		resource:     res,
		gr:           res.GroupResource(),
		resourceName: res.GroupResource().String(),
		version:      res.Hub(),
		gvk:          res.HubKind(),
		prefix:       res.prefix(),
		fields:       fields,
		names:        fieldNames(res.Fields),
		reads:        pathsOf(fields),
		calls:        metrics.NewStorage(res.Group, res.Name),
		noted:        notes && r.o.Server != "" && !Noise(res.GroupResource()),
	}
}

func pathsOf(fields []Field) *scheme.Paths {
	var names []string
	for _, f := range fields {
		if f.Reads == nil {
			names = append(names, f.Name)
		}
		names = append(names, f.Reads...)
	}
	return scheme.NewPaths(names...)
}

// prefix is the part that the keys of the resource's objects share.
func (r *Resource) prefix() string {
	if r.StoredAs != nil {
		return storage.Prefix(r.StoredAs.Group, r.StoredAs.Resource)
	}
	return storage.Prefix(r.Group, r.Name)
}

// Resource gives the resource whose objects the store keeps.
func (s *Store) Resource() *Resource { return s.resource }

// Observe calls f for every object that there is and for every change before
// its writer is told: see watchcache.Cache.Observe.
func (s *Store) Observe(f func(current, previous *watchcache.Object)) { s.cache.Observe(f) }

// HubKind is the kind that stored objects have.
func (s *Store) HubKind() schema.GroupVersionKind { return s.gvk }

// Revision is the newest revision that reads show.
func (s *Store) Revision() int64 { return s.hub.Revision() }

// Count tells how many objects there are in a namespace, "" for all.
func (s *Store) Count(namespace string) int { return s.cache.Snapshot().Count(namespace, "") }

// Decode gives a fresh copy of a cached object in the storage version, with the
// defaults that it lacked when it was written.
func (s *Store) Decode(o *watchcache.Object) (scheme.Object, error) {
	obj := s.version.New()
	if err := scheme.DecodeStored(o.Raw, obj); err != nil {
		return nil, fmt.Errorf("%s %s: %w", s.gr, o.Key, err)
	}
	if s.version.Default != nil {
		s.version.Default(obj)
	}
	return obj, nil
}

// key is an object's key in the cache; an empty or impossible name gives a 400
// Status.
func (s *Store) key(ns, name string) (string, error) {
	if s.resource.Namespaced && ns == "" {
		return "", apierrors.NewBadRequest("Namespace parameter required.")
	}
	if name == "" {
		return "", apierrors.NewBadRequest("Name parameter required.")
	}
	if faults := pathSegment(name, false); len(faults) > 0 {
		return "", apierrors.NewBadRequest(fmt.Sprintf("Name parameter invalid: %q: %s", name, strings.Join(faults, ";")))
	}
	if !s.resource.Namespaced {
		return name, nil
	}
	return ns + "/" + name, nil
}

// splitKey takes a cache key apart.
func (s *Store) splitKey(key string) (ns, name string) {
	if ns, name, ok := strings.Cut(key, "/"); ok && s.resource.Namespaced {
		return ns, name
	}
	return "", key
}

// current gives the newest state of an object, nil when there is none.
func (s *Store) current(key string) *watchcache.Object { return s.cache.Snapshot().Get(key) }

// draft is an object that is about to be written: its bytes and what the cache
// will hold of it.
type draft struct {
	key    string
	object *watchcache.Object
	hole   storage.Hole
}

// draft encodes an object. revision goes into its resourceVersion: the expected
// one, or the object's own for what is not going to be written; 0 leaves it
// out. obj's kind and resourceVersion are set as a side effect.
func (s *Store) draft(key string, obj scheme.Object, revision int64) (*draft, error) {
	obj.SetSelfLink("") // nobody sets it any more
	e, err := scheme.Encode(obj, s.gvk, revision)
	if err != nil {
		return nil, err
	}
	o := &watchcache.Object{
		Key:        key,
		Namespace:  obj.GetNamespace(),
		Name:       obj.GetName(),
		UID:        string(obj.GetUID()),
		Revision:   revision,
		Raw:        e.Raw,
		HoleOffset: e.HoleOffset,
		HoleLen:    e.HoleLen,
		Labels:     labelsOf(obj.GetLabels()),
		Fields:     fieldsOf(s.fields, obj),
	}
	return &draft{key, o, storage.Hole{Offset: e.HoleOffset, Len: e.HoleLen}}, nil
}

// commit writes a draft over the state of revision expected (0: nothing is
// there) and gives the object as the cache now has it.
func (s *Store) commit(ctx context.Context, d *draft, expected int64, remove bool) (*watchcache.Object, error) {
	w := storage.Write{
		Key:        s.prefix + d.key,
		Value:      d.object.Raw,
		Hole:       d.hole,
		Expected:   expected,
		Delete:     remove,
		TTL:        s.resource.TTL,
		Attachment: d.object,
	}
	r := request.From(ctx)
	if s.noted {
		w.Note = r.AuthorNote(s.o.Server)
	}
	r.Mark("Object encoded")
	began := time.Now()
	revision, err := s.engine.Commit(ctx, &w)
	s.calls.Called(operationOf(&w), began, err)
	if err != nil {
		r.Mark("Another write came first, or storage failed")
		return nil, err
	}
	r.Mark("Object stored in database")
	r.Wrote(request.Written{Resource: s.resourceName, Key: d.key, Revision: revision, Delete: remove})
	if d.object.Revision == revision {
		return d.object, nil
	}
	// The event came without its attachment, or has not come here yet.
	o := copyObject(d.object)
	var hole storage.Hole
	o.Raw, hole = d.hole.Splice(d.object.Raw, revision)
	o.Revision, o.HoleLen = revision, hole.Len
	return o, nil
}

func operationOf(w *storage.Write) metrics.Operation {
	switch {
	case w.Delete:
		return metrics.StorageDelete
	case w.Expected == 0:
		return metrics.StorageCreate
	}
	return metrics.StorageUpdate
}

func copyObject(o *watchcache.Object) *watchcache.Object {
	return &watchcache.Object{
		Key: o.Key, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Revision: o.Revision,
		Raw: o.Raw, HoleOffset: o.HoleOffset, HoleLen: o.HoleLen, Labels: o.Labels, Fields: o.Fields,
	}
}

// read makes the cache's object of what storage holds. It is called inside the
// commit for live events, where the attachment has all of it already.
func (s *Store) read(value []byte, attachment any) (*watchcache.Object, error) {
	if o, ok := attachment.(*watchcache.Object); ok {
		o.Raw = value
		o.HoleLen = digitsAt(value, o.HoleOffset)
		return o, nil
	}
	if !s.resource.Dynamic {
		if o, err := s.skim(value); err == nil {
			return o, nil
		}
	}
	obj := s.version.New()
	if err := scheme.DecodeStored(value, obj); err != nil {
		return nil, err
	}
	if s.resource.Dynamic {
		return s.readDynamic(value, obj)
	}
	o := s.objectOf(obj, value)
	o.HoleOffset, o.HoleLen = scheme.FindHole(value, obj.GetResourceVersion())
	return o, nil
}

// skim is read without decoding more than the selectable fields.
func (s *Store) skim(value []byte) (*watchcache.Object, error) {
	found, err := scheme.Skim(value, s.reads)
	if err != nil {
		return nil, err
	}
	o := &watchcache.Object{UID: found.UID, Raw: value, HoleOffset: found.HoleOffset, HoleLen: found.HoleLen}
	if len(found.Labels) > 0 {
		o.Labels = make(watchcache.Labels, 0, len(found.Labels)/2)
		for i := 0; i < len(found.Labels); i += 2 {
			o.Labels = append(o.Labels, watchcache.Label{Key: found.Labels[i], Value: found.Labels[i+1]})
		}
		sortLabels(o.Labels)
	}
	if len(s.fields) == 0 {
		return o, nil
	}
	obj := s.version.New()
	if len(found.Cut) > len("{}") {
		if err := scheme.DecodeStored(found.Cut, obj); err != nil {
			return nil, err
		}
	}
	o.Fields = fieldsOf(s.fields, obj)
	return o, nil
}

// readDynamic brings a custom resource, whose definition may have changed since
// it was written, into the form of today.
func (s *Store) readDynamic(value []byte, obj scheme.Object) (*watchcache.Object, error) {
	sameVersion := s.resource.Upgrade == nil || obj.GetObjectKind().GroupVersionKind() == s.gvk
	if !sameVersion {
		upgraded, err := s.resource.Upgrade(obj)
		if err != nil {
			return nil, err
		}
		obj = upgraded
	}
	s.coerceStored(obj)
	if sameVersion && s.version.Default != nil {
		// What was stored in another version has had that one's defaults.
		s.version.Default(obj)
	}
	revision, _ := parseVersion(obj.GetResourceVersion())
	e, err := scheme.Encode(obj, s.gvk, revision)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(e.Raw, value) {
		e.Raw = value
	}
	o := s.objectOf(obj, e.Raw)
	o.HoleOffset, o.HoleLen = e.HoleOffset, e.HoleLen
	return o, nil
}

// coerceStored takes fields from a stored object that its definition does not
// have any more. What cannot be coerced is shown as it was stored: it must stay
// possible to mend or delete it.
func (s *Store) coerceStored(obj scheme.Object) {
	if s.version.Coerce == nil {
		return
	}
	if _, err := s.version.Coerce(obj, false); err != nil {
		klog.V(2).InfoS("A stored object is not in the form of its definition", "resource", s.gr, "object", klog.KObj(obj), "err", err)
	}
}

func (s *Store) objectOf(obj scheme.Object, raw []byte) *watchcache.Object {
	return &watchcache.Object{
		UID:    string(obj.GetUID()),
		Raw:    raw,
		Labels: labelsOf(obj.GetLabels()),
		Fields: fieldsOf(s.fields, obj),
	}
}

func digitsAt(b []byte, offset int) int {
	n := 0
	for offset+n < len(b) && '0' <= b[offset+n] && b[offset+n] <= '9' {
		n++
	}
	return n
}

func labelsOf(m map[string]string) watchcache.Labels {
	if len(m) == 0 {
		return nil
	}
	l := make(watchcache.Labels, 0, len(m))
	for k, v := range m {
		l = append(l, watchcache.Label{Key: k, Value: v})
	}
	sortLabels(l)
	return l
}

func sortLabels(l watchcache.Labels) {
	slices.SortFunc(l, func(a, b watchcache.Label) int { return strings.Compare(a.Key, b.Key) })
}

func fieldsOf(fields []Field, obj scheme.Object) []string {
	if len(fields) == 0 {
		return nil
	}
	values := make([]string, len(fields))
	for i := range fields {
		values[i] = fields[i].Get(obj)
	}
	return values
}

// retry does a write again as long as another one comes first, each time with
// that one in sight.
func (s *Store) retry(ctx context.Context, try func(context.Context) (*Result, error)) (*Result, error) {
	for {
		seen := s.hub.Revision()
		result, err := try(ctx)
		if !isConflict(err) {
			return result, storageError(err)
		}
		// The other write is later than what try read.
		next := seen + 1
		var conflict *storage.ConflictError
		if errors.As(err, &conflict) {
			next = max(next, conflict.Current)
		}
		if err := s.hub.WaitFor(ctx, next); err != nil {
			return nil, storageError(err)
		}
	}
}

// isConflict tells that another write came first.
func isConflict(err error) bool { return errors.Is(err, storage.ErrConflict) }
