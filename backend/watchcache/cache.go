package watchcache

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"github.com/tidwall/btree"
	"k8s.io/klog/v2"
)

// Config says what a cache holds and how it reads it.
type Config struct {
	// Prefix is the resource's part of storage keys, as storage.Prefix gives it.
	Prefix     string
	Namespaced bool
	// Fields are the names of the selectable fields, Indexes the positions of
	// those that lists and watches find fast.
	Fields  []string
	Indexes []int
	// Decode reads an object: UID, Raw, its hole, Labels and Fields. key is
	// without the prefix. The cache fills in key, namespace, name and revision
	// and owns the result. attachment is the event's, nil after a restart. It
	// is called from several goroutines at start, and for live events inside the
	// commit, so it should be cheap when there is an attachment.
	Decode func(key string, value []byte, attachment any) (*Object, error)
	// RingSize bounds the number of recent events, RingBytes their memory; 0
	// means the defaults.
	RingSize  int
	RingBytes int
}

// Bounds of a ring when Config names none.
const (
	DefaultRingSize  = 16 << 10
	DefaultRingBytes = 32 << 20
)

// Cache holds the current objects of one resource and its recent events.
type Cache struct {
	hub    *Hub
	config Config
	prefix string
	intern *interner

	view    atomic.Pointer[view]
	ring    ring
	watch   dispatcher
	older   olderViews
	removed atomic.Bool

	// For Stats.
	bytes             atomic.Int64
	received, expired atomic.Uint64

	// The hub's mutex guards what follows: the committer's side.
	head    trees
	staged  []*entry
	touched bool
	filling bool
	backlog []storage.Event
	// observers are told of every change inside the commit.
	observers []func(current, previous *Object)
	// history holds, while the ring is filled from storage, the state of each
	// key as of the last event that was read.
	history map[string]*Object
}

// item is what the tree of objects holds: the key beside the object, so that a
// search does not touch the objects it passes.
type item struct {
	key    string
	object *Object
}

func itemLess(a, b item) bool { return a.key < b.key }

// fieldItem is what the tree of an indexed field holds.
type fieldItem struct {
	value, key string
	object     *Object
}

func fieldLess(a, b fieldItem) bool {
	if a.value != b.value {
		return a.value < b.value
	}
	return a.key < b.key
}

// trees are the objects of one state, by key and by each indexed field.
type trees struct {
	objects *btree.BTreeG[item]
	fields  []*btree.BTreeG[fieldItem] // in the order of Config.Indexes
}

func newTrees(indexes int) trees {
	options := btree.Options{NoLocks: true, Degree: treeDegree}
	t := trees{objects: btree.NewBTreeGOptions(itemLess, options)}
	for range indexes {
		t.fields = append(t.fields, btree.NewBTreeGOptions(fieldLess, options))
	}
	return t
}

// treeDegree weighs the depth of a search against what one write copies.
const treeDegree = 24

// copy gives a second state that shares all memory with the first one until
// either is changed.
func (t trees) copy() trees {
	c := trees{objects: t.objects.Copy()}
	if len(t.fields) > 0 {
		c.fields = make([]*btree.BTreeG[fieldItem], len(t.fields))
		for i := range t.fields {
			c.fields[i] = t.fields[i].Copy()
		}
	}
	return c
}

// set puts an object in its place, or takes it out when object is nil.
// previous is what is there now.
func (t trees) set(indexes []int, key string, object, previous *Object) {
	if object != nil {
		t.objects.Set(item{key, object})
	} else {
		t.objects.Delete(item{key: key})
	}
	for i, position := range indexes {
		if previous != nil && (object == nil || object.Field(position) != previous.Field(position)) {
			t.fields[i].Delete(fieldItem{value: previous.Field(position), key: key})
		}
		if object != nil {
			t.fields[i].Set(fieldItem{object.Field(position), key, object})
		}
	}
}

// load puts an object in that is not there; it is quick for the last one in
// key order.
func (t trees) load(indexes []int, object *Object) {
	t.objects.Load(item{object.Key, object})
	for i, position := range indexes {
		t.fields[i].Set(fieldItem{object.Field(position), object.Key, object})
	}
}

// view is one published state. It holds from its revision up to the one before
// next, the revision of the first event that it does not have.
type view struct {
	trees
	revision int64
	next     atomic.Int64 // 0 while it is the newest
	at       int64        // seconds, when it was replaced or last used; guarded by olderViews
}

// holds tells whether the view is the state at a revision.
func (v *view) holds(revision int64) bool {
	next := v.next.Load()
	return v.revision <= revision && (next == 0 || revision < next)
}

func newCache(h *Hub, c Config) *Cache {
	if c.RingSize <= 0 {
		c.RingSize = DefaultRingSize
	}
	if c.RingBytes <= 0 {
		c.RingBytes = DefaultRingBytes
	}
	cache := &Cache{hub: h, config: c, prefix: c.Prefix, intern: newInterner()}
	cache.ring.limit, cache.ring.limitBytes, cache.ring.budget = c.RingSize, c.RingBytes, &h.frames
	cache.watch.init(cache)
	cache.head = newTrees(len(c.Indexes))
	cache.view.Store(&view{trees: newTrees(len(c.Indexes))})
	return cache
}

// Oldest is the oldest revision that a watch can go on from.
func (c *Cache) Oldest() int64 { return c.ring.start.Load() }

// Config gives what the cache was added with.
func (c *Cache) Config() Config { return c.config }

// read makes an object of what an engine gave, sharing what it can with the
// object's previous version.
func (c *Cache) read(key string, value []byte, revision int64, attachment any, previous *Object) (*Object, error) {
	o, err := c.decode(key, value, attachment)
	if err != nil {
		return nil, err
	}
	o.Revision, o.budget = revision, &c.hub.variants
	if previous != nil {
		o.Key, o.Namespace, o.Name = previous.Key, previous.Namespace, previous.Name
		if o.UID == previous.UID {
			o.UID = previous.UID
		}
	} else {
		o.Key, o.Namespace, o.Name = key, "", key
		if ns, name, ok := strings.Cut(key, "/"); ok && c.config.Namespaced {
			o.Namespace, o.Name = ns, name
		}
	}
	c.share(o, previous)
	return o.seal(), nil
}

// decode is Config.Decode. It is called inside the commit, where a panic would
// leave everybody's writes waiting.
func (c *Cache) decode(key string, value []byte, attachment any) (o *Object, err error) {
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "watch cache")
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.config.Decode(key, value, attachment)
}

// share replaces labels and fields by copies that other objects have too.
func (c *Cache) share(o, previous *Object) {
	if previous != nil && slices.Equal(o.Labels, previous.Labels) {
		o.Labels = previous.Labels
	} else {
		o.Labels = c.intern.set(o.Labels)
	}
	if previous != nil && slices.Equal(o.Fields, previous.Fields) {
		o.Fields = previous.Fields
	} else {
		o.Fields = c.intern.values(o.Fields)
	}
}

// load puts a record of storage into the head.
func (c *Cache) load(rec storage.Record) {
	if o := c.readRecord(rec); o != nil {
		c.place(o)
	}
}

// place puts an object into the head that is not there.
func (c *Cache) place(o *Object) {
	c.head.load(c.config.Indexes, o)
	c.weigh(o, nil)
}

// remember puts an event from before the start on the ring. The tree has its
// outcome already.
func (c *Cache) remember(ev storage.Event) {
	key := ev.Key[len(c.prefix):]
	if c.history == nil {
		c.history = map[string]*Object{}
	}
	previous := c.history[key]
	if previous != nil && previous.Revision != ev.Previous {
		previous = nil
	}
	o, err := c.current(key, ev)
	if err != nil {
		klog.ErrorS(err, "Event of history left out: it cannot be read", "key", ev.Key, "revision", ev.Revision)
		c.ring.start.Store(ev.Revision)
		return
	}
	e := newEntry(ev, o, previous)
	e.at = c.hub.now().Unix()
	if e.typ == Modified && previous == nil {
		c.ring.exact.Store(ev.Revision)
	}
	sequence := c.ring.tail.Load()
	c.ring.append(e, sequence)
	c.ring.tail.Store(sequence + 1)
	c.history[key] = o
	if ev.Delete {
		delete(c.history, key)
	}
}

// current gives an event's object, the one in the tree when that is the one.
func (c *Cache) current(key string, ev storage.Event) (*Object, error) {
	if it, ok := c.head.objects.Get(item{key: key}); ok && it.object.Revision == ev.Revision {
		return it.object, nil
	}
	return c.read(key, ev.Value, ev.Revision, nil, nil)
}

func newEntry(ev storage.Event, o, previous *Object) *entry {
	e := &entry{revision: ev.Revision, object: o, previous: previous, typ: Modified}
	switch {
	case ev.Delete:
		e.typ = Deleted
		if previous == nil {
			e.previous = o
		}
	case ev.Previous == 0:
		e.typ, e.previous = Added, nil
	}
	return e
}

// stage applies a live event to the head; publish shows it.
func (c *Cache) stage(ev *storage.Event, now int64) {
	key := ev.Key[len(c.prefix):]
	var previous *Object
	if it, ok := c.head.objects.Get(item{key: key}); ok {
		previous = it.object
	}
	o, err := c.read(key, ev.Value, ev.Revision, ev.Attachment, previous)
	if err != nil {
		klog.ErrorS(err, "Committed object left out: it cannot be read", "key", ev.Key, "revision", ev.Revision)
		return
	}
	e := &entry{revision: ev.Revision, at: now, object: o, previous: previous}
	switch {
	case ev.Delete:
		e.typ = Deleted
		if previous == nil {
			e.previous = o
		}
		c.head.set(c.config.Indexes, key, nil, previous)
	case previous == nil:
		e.typ = Added
		c.head.set(c.config.Indexes, key, o, nil)
	default:
		e.typ = Modified
		c.head.set(c.config.Indexes, key, o, previous)
	}
	c.weigh(e.now(), previous)
	c.staged = append(c.staged, e)
	if previous != nil {
		c.hub.variants.release(&previous.variants)
	}
}

// publish shows what was staged: first the state, then the events.
func (c *Cache) publish(now int64) {
	if len(c.staged) == 0 {
		return
	}
	first, last := c.staged[0].revision, c.staged[len(c.staged)-1].revision
	v := &view{trees: c.head.copy(), revision: last, at: now}
	c.older.keep(c.view.Load(), first, now)
	c.view.Store(v)
	for _, f := range c.observers {
		metrics.Guarded("watch cache", func() {
			for _, e := range c.staged {
				f(e.now(), e.previous)
			}
		})()
	}
	sequence := c.ring.tail.Load()
	for _, e := range c.staged {
		c.ring.append(e, sequence)
		sequence++
	}
	c.ring.tail.Store(sequence)
	c.received.Add(uint64(len(c.staged)))
	clear(c.staged)
	c.staged = c.staged[:0]
}

// ready shows what was loaded: the state at a revision, with the events after
// another one in the ring.
func (c *Cache) ready(revision, since int64) {
	c.history = nil
	c.ring.start.Store(max(c.ring.start.Load(), since))
	c.ring.exact.Store(max(c.ring.exact.Load(), c.ring.start.Load()))
	c.view.Store(&view{trees: c.head.copy(), revision: revision})
	for _, f := range c.observers {
		c.tell(f)
	}
}

// remove ends the cache: its watchers get ErrRemoved.
func (c *Cache) remove() {
	c.removed.Store(true)
	c.watch.end()
}

func (c *Cache) String() string { return fmt.Sprintf("watchcache.Cache(%s)", c.prefix) }
