package watchcache

import (
	"slices"
	"sort"
	"strings"
	"sync"
)

// Snapshot is the state of one resource at one revision. It never changes and
// costs nothing to take; the zero value is not usable.
type Snapshot struct {
	cache    *Cache
	view     *view
	revision int64
}

// Snapshot gives the newest state.
func (c *Cache) Snapshot() Snapshot {
	global := c.hub.revision.Load()
	v := c.view.Load()
	return Snapshot{c, v, max(global, v.revision)}
}

// At gives the state at an older revision when memory still has it, or can make
// it from a newer state and the events between. False means that the engine has
// to be asked; also for a revision that is not there yet.
func (c *Cache) At(revision int64) (Snapshot, bool) {
	newest := c.Snapshot()
	if revision >= newest.view.revision {
		return Snapshot{c, newest.view, revision}, revision <= newest.revision
	}
	if v := c.older.find(revision, c.hub.now().Unix()); v != nil {
		return Snapshot{c, v, revision}, true
	}
	v := c.rewind(newest.view, revision)
	return Snapshot{c, v, revision}, v != nil
}

// Revision is the resourceVersion of a list made from the snapshot: the newest
// revision of the whole store at which this is the exact state.
func (s Snapshot) Revision() int64 { return s.revision }

// Len is the number of objects.
func (s Snapshot) Len() int { return s.view.objects.Len() }

// Get gives the object with a key (NAMESPACE/NAME or NAME), nil when there is
// none.
func (s Snapshot) Get(key string) *Object {
	it, _ := s.view.objects.Get(item{key: key})
	return it.object.intact()
}

// Ascend calls f for the objects whose key is at or after from, in key order,
// until f returns false.
func (s Snapshot) Ascend(from string, f func(*Object) bool) {
	s.view.objects.Ascend(item{key: from}, func(it item) bool { return f(it.object.intact()) })
}

// AscendPrefix calls f for the objects of a namespace, in key order, until f
// returns false.
func (s Snapshot) AscendPrefix(namespace string, f func(*Object) bool) {
	s.AscendNamespace(namespace, "", f)
}

// AscendNamespace is AscendPrefix from a key on. An empty namespace means all.
func (s Snapshot) AscendNamespace(namespace, from string, f func(*Object) bool) {
	if namespace == "" {
		s.Ascend(from, f)
		return
	}
	prefix := namespace + "/"
	s.view.objects.Ascend(item{key: max(from, prefix)}, func(it item) bool {
		return strings.HasPrefix(it.key, prefix) && f(it.object.intact())
	})
}

// ByIndex calls f for the objects that have a value in an indexed field, in key
// order, until f returns false. A field without an index is searched.
func (s Snapshot) ByIndex(fieldPos int, value string, f func(*Object) bool) {
	s.ByIndexFrom(fieldPos, value, "", f)
}

// ByIndexFrom is ByIndex for keys at or after from.
func (s Snapshot) ByIndexFrom(fieldPos int, value, from string, f func(*Object) bool) {
	i := slices.Index(s.cache.config.Indexes, fieldPos)
	if i < 0 {
		s.Ascend(from, func(o *Object) bool { return o.Field(fieldPos) != value || f(o) })
		return
	}
	s.view.fields[i].Ascend(fieldItem{value: value, key: from}, func(it fieldItem) bool {
		return it.value == value && f(it.object.intact())
	})
}

// Count is the number of objects of a namespace (empty: all) whose key is at or
// after from.
func (s Snapshot) Count(namespace, from string) int {
	if namespace == "" {
		return s.Len() - s.rank(from)
	}
	prefix := namespace + "/"
	return max(0, s.rank(namespace+"0")-s.rank(max(from, prefix))) // '0' follows '/'
}

// rank is the number of objects whose key is before one.
func (s Snapshot) rank(key string) int {
	return sort.Search(s.Len(), func(i int) bool {
		it, _ := s.view.objects.GetAt(i)
		return it.key >= key
	})
}

// rewind makes the state at a revision from a newer view, by undoing the events
// between, and keeps it for the next page of the same list. It gives nil when
// the ring does not reach that far.
func (c *Cache) rewind(newest *view, revision int64) *view {
	first, ok := c.ring.after(revision)
	if !ok || revision < c.ring.exact.Load() {
		return nil
	}
	base, t := c.older.above(newest, revision)
	events, ok := c.ring.until(first, base.revision)
	if !ok || len(events) == 0 {
		return nil
	}
	for _, e := range slices.Backward(events) {
		now := e.object
		if e.typ == Deleted {
			now = nil
		}
		before := e.previous
		if e.typ == Added {
			before = nil
		}
		t.set(c.config.Indexes, e.object.Key, before, now)
	}
	v := &view{trees: t, revision: revision, at: c.hub.now().Unix()}
	v.next.Store(events[0].revision)
	c.older.pin(v)
	return v
}

// olderViews are states before the newest one: the last few that were
// published, and those that were made for a list of an older revision.
type olderViews struct {
	mu     sync.Mutex
	recent []*view // oldest first
	pinned []*view // least recently used first
}

// How many older views a cache keeps.
const (
	keepRecent = 16
	keepPinned = 8
)

// keep takes the view that is about to be replaced; next is the revision of the
// first event after it.
func (o *olderViews) keep(v *view, next, now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v.at = now
	v.next.Store(next)
	if len(o.recent) >= keepRecent {
		o.recent = slices.Delete(o.recent, 0, 1)
	}
	o.recent = append(o.recent, v)
}

func (o *olderViews) pin(v *view) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pinned) >= keepPinned {
		o.pinned = slices.Delete(o.pinned, 0, 1)
	}
	o.pinned = append(o.pinned, v)
}

// find gives the view that holds a revision, nil when none does. It is then
// among the pinned ones, so that a list in pages finds it again.
func (o *olderViews) find(revision, now int64) *view {
	o.mu.Lock()
	defer o.mu.Unlock()
	holds := func(v *view) bool { return v.holds(revision) }
	if i := slices.IndexFunc(o.pinned, holds); i >= 0 {
		v := o.pinned[i]
		v.at = now
		o.pinned = append(slices.Delete(o.pinned, i, i+1), v)
		return v
	}
	i := slices.IndexFunc(o.recent, holds)
	if i < 0 {
		return nil
	}
	v := o.recent[i]
	v.at = now
	if len(o.pinned) >= keepPinned {
		o.pinned = slices.Delete(o.pinned, 0, 1)
	}
	o.pinned = append(o.pinned, v)
	return v
}

// above gives the oldest view after a revision and a copy of its trees. Copying
// a tree writes to it (not to what readers see of it), hence the mutex.
func (o *olderViews) above(newest *view, revision int64) (*view, trees) {
	o.mu.Lock()
	defer o.mu.Unlock()
	base := newest
	for _, views := range [][]*view{o.recent, o.pinned} {
		for _, v := range views {
			if v.revision > revision && v.revision < base.revision {
				base = v
			}
		}
	}
	return base, base.copy()
}

// expire drops what was not used since a time and tells whether anything is
// left.
func (o *olderViews) expire(before int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := func(v *view) bool { return v.at < before }
	o.recent = slices.DeleteFunc(o.recent, old)
	o.pinned = slices.DeleteFunc(o.pinned, old)
	return len(o.recent)+len(o.pinned) > 0
}
