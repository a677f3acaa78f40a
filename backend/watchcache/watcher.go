package watchcache

import (
	"context"
	"math"
	"sync/atomic"
)

// WatchOptions say which events a watcher gets.
type WatchOptions struct {
	// From is the revision after which events are wanted; one that is not there
	// yet is waited for. -1 means from the current state on.
	From int64
	// Namespace and Name select by metadata; empty means any.
	Namespace, Name string
	// Match selects by anything that can change (labels, fields); nil means
	// all. It is called by the dispatcher and by Next, at the same time, and
	// must be quick.
	Match func(*Object) bool
	// FieldIndex, FieldValue select objects with a value in a selectable field:
	// a position in Config.Fields, best one of Config.Indexes. It is in force
	// when FieldValue is not empty or ByField is set; Match need not repeat it.
	FieldIndex int
	FieldValue string
	ByField    bool
	// Initial delivers the current state first, as Added events in key order;
	// From is then not looked at.
	Initial bool
}

func (o *WatchOptions) byField() bool { return o.ByField || o.FieldValue != "" }

// passes tells whether an object is selected.
func (o *WatchOptions) passes(object *Object) bool {
	return object != nil &&
		(o.Namespace == "" || o.Namespace == object.Namespace) &&
		(o.Name == "" || o.Name == object.Name) &&
		(!o.byField() || o.FieldValue == object.Field(o.FieldIndex)) &&
		(o.Match == nil || o.Match(object))
}

// selective tells whether a change of an object can move it in or out.
func (o *WatchOptions) selective() bool { return o.byField() || o.Match != nil }

// Watcher is one reader of a resource's events: a position on its ring and a
// selector. It has no buffer; one that is slower than the ring gets ErrExpired.
//
// A watcher that waits has no position that matters: the dispatcher has looked
// at every event for it, and tells it where to go on when one is for it.
//
// Next, Poll, Revision and InitialDone are for one goroutine; Close and Wake are
// for any.
type Watcher struct {
	cache   *Cache
	options WatchOptions
	group   groupKey
	plain   bool // every event of the group is wanted
	slot    int  // place in the group; the dispatcher's mutex guards it

	// pending is the sequence number of an event that waits for this watcher,
	// the oldest one since it last looked; nothing when there is none.
	pending atomic.Uint64
	wake    chan struct{} // room for one: told to look
	closed  atomic.Bool

	// For the watcher's goroutine.
	position  uint64 // the next sequence number to look at
	after     int64  // events up to this revision are not wanted
	delivered int64  // everything up to this revision has been looked at
	more      bool   // Next stopped before the ring's end
	initial   *Snapshot
	cursor    string // where initial state goes on
	events    []Event
	err       error
}

// nothing is the pending sequence number of a watcher with no event waiting.
const nothing = math.MaxUint64

// keepEventSlots bounds the slice that a waiting watcher keeps for its next
// events: there may be very many watchers.
const keepEventSlots = 16

// defaultEvents is how many events Next gives when max is not positive.
const defaultEvents = 256

// Watch starts a watcher. It gives ErrExpired when events after From are gone.
func (c *Cache) Watch(o WatchOptions) (*Watcher, error) {
	w := &Watcher{cache: c, options: o, wake: make(chan struct{}, 1)}
	w.pending.Store(nothing)
	w.group, w.plain = c.groupOf(&w.options)
	start := w.startAt
	if o.Initial || o.From < 0 {
		start = w.startNow
	}
	if err := c.watch.add(w, start); err != nil {
		return nil, err
	}
	return w, nil
}

// startAt finds the place of the first event after the asked revision.
func (w *Watcher) startAt() error {
	ring := &w.cache.ring
	position, ok := ring.after(w.options.From)
	if !ok {
		return ErrExpired
	}
	if w.options.selective() && w.options.From < ring.exact.Load() {
		return ErrExpired
	}
	w.position, w.after, w.delivered = position, w.options.From, w.options.From
	return nil
}

// startNow takes the current state as the place to start.
func (w *Watcher) startNow() error {
	for {
		s := w.cache.Snapshot()
		position, ok := w.cache.ring.after(s.revision)
		if !ok {
			continue // overrun meanwhile: the newer state has it
		}
		w.position, w.after, w.delivered = position, s.revision, s.revision
		if w.options.Initial {
			w.initial = &s
		}
		return nil
	}
}

// Next gives events, at most max of them (or 256), and waits until there is at
// least one or the context ends; everything that is there is given at once. The
// slice is reused by the next call. After the last piece of initial state it may
// give none, so that the caller can say that the state is complete.
func (w *Watcher) Next(ctx context.Context, max int) ([]Event, error) {
	for {
		initial := w.initial != nil
		events, err := w.Poll(max)
		if len(events) > 0 || err != nil || initial {
			return events, err
		}
		if w.more {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			continue
		}
		if cap(w.events) > keepEventSlots {
			w.events = nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Ready receives when Poll may have something to say, an error included. Who
// waits for it itself first calls Poll until that gives nothing.
func (w *Watcher) Ready() <-chan struct{} { return w.wake }

// Wake makes Ready receive, for something else that its reader waits for. It is
// for any goroutine.
func (w *Watcher) Wake() { w.look() }

// Poll is Next without waiting: no events and no error means to wait for Ready,
// unless More is true.
func (w *Watcher) Poll(max int) ([]Event, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.closed.Load() {
		w.err = ErrClosed
		return nil, w.err
	}
	if w.cache.removed.Load() {
		w.err = ErrRemoved
		return nil, w.err
	}
	if max <= 0 {
		max = defaultEvents
	}
	clear(w.events)
	w.events = w.events[:0]
	if w.initial != nil {
		w.pollInitial(max)
		return w.events, nil
	}
	w.err = w.pollRing(max)
	return w.events, w.err
}

// More tells that Poll stopped before the newest event.
func (w *Watcher) More() bool { return w.more || w.initial != nil }

func (w *Watcher) pollInitial(max int) {
	done := true
	add := func(o *Object) bool {
		if !w.options.passes(o) {
			return true
		}
		if len(w.events) == max {
			w.cursor, done = o.Key, false
			return false
		}
		w.events = append(w.events, Event{Type: Added, Object: o, Revision: o.Revision})
		return true
	}
	o := &w.options
	switch {
	case o.Name != "" && (o.Namespace != "" || !w.cache.config.Namespaced):
		key := o.Name
		if o.Namespace != "" {
			key = o.Namespace + "/" + o.Name
		}
		if object := w.initial.Get(key); object != nil {
			add(object)
		}
	case o.byField():
		w.initial.ByIndexFrom(o.FieldIndex, o.FieldValue, w.cursor, add)
	default:
		w.initial.AscendNamespace(o.Namespace, w.cursor, add)
	}
	if done {
		w.initial, w.cursor = nil, ""
	}
}

func (w *Watcher) pollRing(max int) error {
	if !w.more {
		first := w.pending.Swap(nothing)
		if first == nothing {
			return nil
		}
		// Events before the first pending one were not for this watcher.
		if first > w.position {
			w.position = first
		}
	}
	ring := &w.cache.ring
	tail := ring.tail.Load()
	for w.position < tail && len(w.events) < max {
		e := ring.get(w.position)
		if e == nil {
			w.cache.expired.Add(1)
			return ErrExpired
		}
		w.position++
		if e.revision <= w.after {
			continue
		}
		w.delivered = e.revision
		if ev, ok := w.see(e); ok {
			w.events = append(w.events, ev)
		}
	}
	w.more = w.position < tail
	return nil
}

// see gives an event as this watcher sees it, false when it does not.
func (w *Watcher) see(e *entry) (Event, bool) {
	ev := Event{Object: e.object.intact(), Revision: e.revision, entry: e, budget: &w.cache.hub.frames}
	before := w.options.passes(e.previous)
	if e.typ == Deleted {
		ev.Type = Deleted
		return ev, before
	}
	after := w.options.passes(e.object)
	switch {
	case after && (before || e.typ == Modified && e.previous == nil):
		ev.Type = Modified
	case after:
		ev.Type = Added
	case before:
		ev.Type, ev.Object = Deleted, e.leaving()
	default:
		return ev, false
	}
	return ev, true
}

// wants tells whether the watcher sees an event at all.
func (w *Watcher) wants(e *entry) bool {
	return w.options.passes(e.previous) || e.typ != Deleted && w.options.passes(e.object)
}

// wakeAt tells a waiting watcher where to go on.
func (w *Watcher) wakeAt(sequence uint64) {
	if w.pending.CompareAndSwap(nothing, sequence) {
		w.look()
	}
}

// look makes a waiting Next call Poll.
func (w *Watcher) look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// InitialDone tells that all of the initial state has been given; at once when
// none was asked for.
func (w *Watcher) InitialDone() bool { return w.initial == nil }

// Revision gives the revision up to which this watcher has been given every
// event that it wants, for bookmarks: while nothing happens it goes on with the
// whole store. It is 0 while initial state is not complete.
func (w *Watcher) Revision() int64 {
	if w.initial != nil {
		return 0
	}
	// The order of reads matters: whatever the dispatcher had done at first,
	// pending would show by now.
	global := w.cache.hub.revision.Load()
	tail := w.cache.ring.tail.Load()
	looked := w.cache.watch.doneRevision.Load()
	if w.cache.watch.done.Load() >= tail {
		looked = global
	}
	if w.more || w.pending.Load() != nothing {
		looked = 0
	}
	return max(looked, w.delivered)
}

// Close ends the watcher; Next gives ErrClosed. It is idempotent.
func (w *Watcher) Close() {
	if !w.closed.Swap(true) {
		w.cache.watch.remove(w)
		w.look()
	}
}
