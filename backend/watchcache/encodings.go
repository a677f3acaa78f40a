package watchcache

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// encodings are other forms of one object or one event, made when first asked
// for and kept while the budget that they are charged to has room for them. The
// owner holds them by an atomic pointer; giving them up means that the budget
// clears that pointer, so nobody who reads them at that moment is disturbed.
type encodings struct {
	items atomic.Pointer[[]encoding]

	mu     sync.Mutex // guards changes of items, and making
	making []*unmade

	used atomic.Bool // asked for since the budget's last sweep

	// The budget's mutex guards what follows.
	owner      *atomic.Pointer[encodings]
	size       int
	dead       bool
	prev, next *encodings
}

type encoding struct {
	typ   EventType
	key   string
	bytes []byte
}

// unmade is an encoding that somebody makes just now.
type unmade struct {
	typ   EventType
	key   string
	done  chan struct{}
	bytes []byte
	err   error
}

// encoded gives the encoding (typ, key) of an owner; make makes it when it is
// not there, and may itself ask for another one of the same owner. Whoever asks
// for what is being made waits for it.
func encoded(owner *atomic.Pointer[encodings], b *budget, typ EventType, key string, make func() ([]byte, error)) ([]byte, error) {
	e := owner.Load()
	for e == nil {
		if e = (&encodings{owner: owner}); !owner.CompareAndSwap(nil, e) {
			e = owner.Load()
		}
	}
	if bytes, ok := e.find(typ, key); ok {
		return bytes, nil
	}
	bytes, mine, one := e.begin(typ, key)
	if one == nil {
		return bytes, nil
	}
	if mine {
		defer e.end(b, one)
		one.bytes, one.err = make()
		return one.bytes, one.err
	}
	<-one.done
	return one.bytes, one.err
}

// begin gives the encoding when it is there, or else the one that is made, and
// whether the caller is the one to make it.
func (e *encodings) begin(typ EventType, key string) (bytes []byte, mine bool, one *unmade) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if bytes, ok := e.find(typ, key); ok {
		return bytes, false, nil
	}
	for _, u := range e.making {
		if u.typ == typ && u.key == key {
			return nil, false, u
		}
	}
	one = &unmade{typ: typ, key: key, done: make(chan struct{}), err: errUnmade}
	e.making = append(e.making, one)
	return nil, true, one
}

// errUnmade is what those learn who waited for a maker that panicked.
var errUnmade = errors.New("watchcache: an encoding could not be made")

func (e *encodings) end(b *budget, one *unmade) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if one.err == nil && b.take(e, len(one.bytes)) {
		e.add(encoding{one.typ, one.key, one.bytes})
	}
	e.making = slices.DeleteFunc(e.making, func(u *unmade) bool { return u == one })
	close(one.done)
}

// find needs no mutex: very many watchers ask for the same frame at once.
func (e *encodings) find(typ EventType, key string) ([]byte, bool) {
	items := e.items.Load()
	if items == nil {
		return nil, false
	}
	for i := range *items {
		if it := &(*items)[i]; it.typ == typ && it.key == key {
			if !e.used.Load() {
				e.used.Store(true)
			}
			return it.bytes, true
		}
	}
	return nil, false
}

// add needs mu.
func (e *encodings) add(one encoding) {
	var items []encoding
	if old := e.items.Load(); old != nil {
		items = append(items, *old...)
	}
	items = append(items, one)
	e.items.Store(&items)
}

// encodingOverhead is charged for each encoding besides its bytes.
const encodingOverhead = 96

// budget bounds the memory of encodings.
//
// One that evicts drops the oldest to make room: right for events, which are
// asked for by everybody at once and then hardly again. One that does not evict
// refuses when it is full and waits for a sweep to drop what was not asked for
// since the sweep before: right for objects, where a list that is larger than
// the budget would otherwise push out all that the next one needs.
type budget struct {
	limit  int
	evicts bool

	mu         sync.Mutex
	size       int
	head, tail *encodings // oldest first
}

// take charges an encoding to the budget and tells whether it may be kept.
func (b *budget) take(e *encodings, n int) bool {
	n += encodingOverhead
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.evicts && b.size+n > b.limit && b.head != nil {
		b.drop(b.head)
	}
	if e.dead || b.size+n > b.limit {
		return false
	}
	if e.size == 0 {
		b.push(e)
		e.used.Store(true)
	}
	e.size += n
	b.size += n
	return true
}

// release gives up an owner's encodings: its object was replaced, its event
// left the ring.
func (b *budget) release(owner *atomic.Pointer[encodings]) {
	e := owner.Load()
	if e == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(e)
}

// sweep gives up what was not used since the last sweep, and tells whether
// anything is left.
func (b *budget) sweep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.head; e != nil; {
		next := e.next
		if !e.used.Swap(false) {
			b.drop(e)
		}
		e = next
	}
	return b.head != nil
}

// bytes tells what is charged.
func (b *budget) bytes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

func (b *budget) push(e *encodings) {
	e.prev = b.tail
	if b.tail == nil {
		b.head = e
	} else {
		b.tail.next = e
	}
	b.tail = e
}

func (b *budget) drop(e *encodings) {
	if e.dead {
		return
	}
	e.dead = true
	e.owner.CompareAndSwap(e, nil)
	if e.size == 0 {
		return // nothing was charged, so it is not in the list
	}
	if e.prev == nil {
		b.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		b.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	b.size -= e.size
}
