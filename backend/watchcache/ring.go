package watchcache

import "sync/atomic"

// entry is one event of one resource on its ring. It never changes, apart from
// what is made of it on demand.
type entry struct {
	sequence uint64
	revision int64
	typ      EventType
	at       int64 // seconds, when it was appended
	// object is the state after the event; for Deleted the last state, at the
	// revision of the delete. previous is the state before, nil for Added and
	// where history does not know it.
	object, previous *Object

	left   atomic.Pointer[Object]
	frames atomic.Pointer[encodings]
}

// leaving gives the object of the event that a watcher gets when the object
// leaves its selector: the previous state at this event's revision.
func (e *entry) leaving() *Object {
	if o := e.left.Load(); o != nil {
		return o
	}
	o := e.previous.withRevision(e.revision)
	if e.left.CompareAndSwap(nil, o) {
		return o
	}
	return e.left.Load()
}

// size is about how many bytes only the entry keeps in memory: the state before
// it. The state after it belongs to the next entry of the same object, or to the
// current objects; not so the last state of a deleted one.
func (e *entry) size() int {
	n := 512
	if e.previous != nil {
		n += len(e.previous.Raw)
	}
	if e.typ == Deleted {
		n += len(e.object.Raw)
	}
	return n
}

// ring holds the recent events of one resource in the order of their
// revisions, each at a sequence number. One goroutine at a time appends and
// evicts (under the hub's mutex); anyone reads, without a lock: a reader asks
// for a sequence number, and what it gets is that event or nothing, when the
// event has left the ring.
type ring struct {
	limit, limitBytes int

	tail  atomic.Uint64 // the sequence number that the next event gets
	slots atomic.Pointer[[]atomic.Pointer[entry]]
	// start is the revision after which the ring knows all events.
	start atomic.Int64
	// exact is the revision after which it also knows all previous states.
	exact atomic.Int64

	// For the appending goroutine only.
	head   uint64 // the oldest event's sequence number
	bytes  int
	budget *budget
}

// Sizes of a ring.
const (
	ringFirst = 16  // slots at the first event; a resource without events has none
	ringKeep  = 128 // events that age does not evict
)

// get gives the event at a sequence number, nil when it is gone or not yet there.
func (r *ring) get(sequence uint64) *entry {
	slots := r.slots.Load()
	if slots == nil {
		return nil
	}
	e := (*slots)[sequence&uint64(len(*slots)-1)].Load()
	if e == nil || e.sequence != sequence {
		return nil
	}
	return e
}

// append adds an event. Readers see it when commit has been called.
func (r *ring) append(e *entry, sequence uint64) {
	e.sequence = sequence
	n := int(sequence - r.head)
	for n > 0 && (n >= r.limit || (r.bytes+e.size() > r.limitBytes && n >= ringFirst)) {
		r.evict()
		n--
	}
	if slots := r.slots.Load(); slots == nil || n >= len(*slots) {
		r.resize(max(ringFirst, 2*n), sequence)
	}
	slots := *r.slots.Load()
	slots[sequence&uint64(len(slots)-1)].Store(e)
	r.bytes += e.size()
}

// evict drops the oldest event.
func (r *ring) evict() {
	slots := *r.slots.Load()
	slot := &slots[r.head&uint64(len(slots)-1)]
	e := slot.Load()
	// A reader that misses the event must find the new start.
	r.start.Store(e.revision)
	slot.Store(nil)
	r.head++
	r.bytes -= e.size()
	r.budget.release(&e.frames)
}

// expire drops events from before a time, apart from the newest few, and gives
// slots back. It tells whether there is more to drop later.
func (r *ring) expire(before int64) bool {
	tail := r.tail.Load()
	for tail-r.head > ringKeep && r.get(r.head).at < before {
		r.evict()
	}
	slots := r.slots.Load()
	if n := int(tail - r.head); slots != nil && len(*slots) > ringFirst && n*4 <= len(*slots) {
		r.resize(max(ringFirst, 2*n), tail)
	}
	return tail-r.head > ringKeep
}

// resize moves the events before a sequence number to at least n slots. The
// number of slots is a power of two.
func (r *ring) resize(n int, end uint64) {
	size := ringFirst
	for size < n {
		size *= 2
	}
	slots := make([]atomic.Pointer[entry], size)
	for s := r.head; s < end; s++ {
		slots[s&uint64(size-1)].Store(r.get(s))
	}
	r.slots.Store(&slots)
}

// after gives the sequence number of the first event after a revision, and
// false when events between are gone.
func (r *ring) after(revision int64) (uint64, bool) {
	tail := r.tail.Load()
	low, high := r.oldest(tail), tail
	for low < high {
		middle := low + (high-low)/2
		e := r.get(middle)
		if e == nil { // evicted meanwhile
			low = middle + 1
			continue
		}
		if e.revision > revision {
			high = middle
		} else {
			low = middle + 1
		}
	}
	// Checked last, so that nothing that was evicted during the search counts
	// as read.
	return low, revision >= r.start.Load()
}

// oldest gives the oldest sequence number that may still be there.
func (r *ring) oldest(tail uint64) uint64 {
	slots := r.slots.Load()
	if slots == nil {
		return tail
	}
	if n := uint64(len(*slots)); tail > n {
		return tail - n
	}
	return 0
}

// until gives the events from a sequence number up to a revision, false when
// some are gone.
func (r *ring) until(from uint64, revision int64) ([]*entry, bool) {
	var events []*entry
	for s, tail := from, r.tail.Load(); s < tail; s++ {
		e := r.get(s)
		if e == nil {
			return nil, false
		}
		if e.revision > revision {
			break
		}
		events = append(events, e)
	}
	return events, true
}
