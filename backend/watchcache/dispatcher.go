package watchcache

import (
	"slices"
	"sync"
	"sync/atomic"

	"pilothouse/backend/metrics"
)

// dispatcher looks at each event of one resource once and wakes the watchers
// that want it. Watchers are found by what they select, so those of other
// objects cost nothing. It is a goroutine only while there is something to do.
type dispatcher struct {
	cache   *Cache
	count   atomic.Int64 // of watchers
	signals atomic.Int64 // of the committer, not yet seen
	// dispatched is how many events the watchers have been looked at for.
	dispatched atomic.Uint64
	// done and doneRevision tell up to where all watchers have been looked at.
	done         atomic.Uint64
	doneRevision atomic.Int64

	mu     sync.Mutex // guards groups
	groups map[groupKey][]*Watcher
	kinds  [groupKinds]int // watchers of each kind
}

// groupKey is what the watchers of a group have in common: the most selective
// one of their criteria that an event gives a value for.
type groupKey struct {
	kind  groupKind
	field int
	value string
}

type groupKind uint8

const (
	groupAll       groupKind = iota
	groupNamespace           // value is a namespace
	groupField               // value is that of an indexed field
	groupName                // value is a name, in any namespace
	groupKinds
)

func (d *dispatcher) init(c *Cache) {
	d.cache = c
	d.groups = map[groupKey][]*Watcher{}
}

// add registers a watcher that has a place on the ring. start finds that place;
// it is called when no event from then on can be missed.
func (d *dispatcher) add(w *Watcher, start func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cache.removed.Load() {
		return ErrRemoved
	}
	first := d.count.Add(1) == 1
	tail := d.cache.ring.tail.Load()
	if first {
		d.done.Store(tail)
		d.doneRevision.Store(0)
	}
	if err := start(); err != nil {
		d.count.Add(-1)
		return err
	}
	if w.position < tail {
		w.pending.Store(w.position)
	}
	w.slot = len(d.groups[w.group])
	d.groups[w.group] = append(d.groups[w.group], w)
	d.kinds[w.group.kind]++
	return nil
}

func (d *dispatcher) remove(w *Watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	group := d.groups[w.group]
	last := len(group) - 1
	group[w.slot] = group[last]
	group[w.slot].slot = w.slot
	group[last] = nil
	if last == 0 {
		delete(d.groups, w.group)
	} else {
		d.groups[w.group] = group[:last]
	}
	d.kinds[w.group.kind]--
	d.count.Add(-1)
}

// signal tells that the ring has more events. It does not wait.
func (d *dispatcher) signal() {
	if d.count.Load() == 0 {
		return
	}
	if d.signals.Add(1) == 1 {
		go metrics.Guarded("watch", d.run)()
	}
}

func (d *dispatcher) run() {
	for {
		seen := d.signals.Load()
		for d.pass() {
		}
		if d.signals.CompareAndSwap(seen, 0) {
			return
		}
	}
}

// passWork bounds how many times an event is compared with a watcher before
// those who want to add or remove one get their turn.
const passWork = 16 << 10

// pass dispatches some events and tells whether there are more. When it panics
// over them, every watcher looks at them itself.
func (d *dispatcher) pass() (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "watch")
			from, tail := d.done.Load(), d.cache.ring.tail.Load()
			d.wakeAll(from)
			d.done.Store(tail)
			more = false
		}
	}()
	from, tail := d.done.Load(), d.cache.ring.tail.Load()
	end := min(tail, from+uint64(max(1, passWork/max(1, d.count.Load()))))
	revision := d.doneRevision.Load()
	for s := from; s < end; s++ {
		e := d.cache.ring.get(s)
		if e == nil {
			// The ring ran over the dispatcher. Every watcher has to look, and
			// learns the same.
			d.wakeAll(s)
			end = tail
			break
		}
		d.wake(e)
		revision = e.revision
	}
	d.doneRevision.Store(revision)
	d.done.Store(end)
	d.dispatched.Add(end - from)
	return end < tail
}

// wake wakes the watchers that may want an event.
func (d *dispatcher) wake(e *entry) {
	if d.kinds[groupAll] > 0 {
		d.wakeGroup(groupKey{}, e)
	}
	if d.kinds[groupNamespace] > 0 {
		d.wakeGroup(groupKey{kind: groupNamespace, value: e.object.Namespace}, e)
	}
	if d.kinds[groupName] > 0 {
		d.wakeGroup(groupKey{kind: groupName, value: e.object.Name}, e)
	}
	if d.kinds[groupField] == 0 {
		return
	}
	for _, position := range d.cache.config.Indexes {
		value := e.object.Field(position)
		d.wakeGroup(groupKey{groupField, position, value}, e)
		if e.previous != nil && e.previous.Field(position) != value {
			d.wakeGroup(groupKey{groupField, position, e.previous.Field(position)}, e)
		}
	}
}

func (d *dispatcher) wakeGroup(key groupKey, e *entry) {
	for _, w := range d.groups[key] {
		// One that has events waiting will come to this one too.
		if w.pending.Load() == nothing && (w.plain || w.wants(e)) {
			w.wakeAt(e.sequence)
		}
	}
}

func (d *dispatcher) wakeAll(sequence uint64) {
	for _, group := range d.groups {
		for _, w := range group {
			w.wakeAt(sequence)
		}
	}
}

// end makes all watchers look, after the cache was marked as removed.
func (d *dispatcher) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, group := range d.groups {
		for _, w := range group {
			w.look()
		}
	}
}

// groupOf finds the group of a watcher, and whether being in it is all that the
// watcher asks for.
func (c *Cache) groupOf(o *WatchOptions) (key groupKey, plain bool) {
	switch {
	case o.Name != "":
		key = groupKey{kind: groupName, value: o.Name}
		plain = o.Namespace == "" && !o.byField()
	case o.byField() && slices.Contains(c.config.Indexes, o.FieldIndex):
		key = groupKey{groupField, o.FieldIndex, o.FieldValue}
		plain = o.Namespace == ""
	case o.Namespace != "":
		key = groupKey{kind: groupNamespace, value: o.Namespace}
		plain = !o.byField()
	default:
		plain = !o.byField()
	}
	return key, plain && o.Match == nil
}
