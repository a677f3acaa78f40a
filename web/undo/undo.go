// Package undo owns what can be taken back: for a while after each change the
// objects as they were before it and after it, and what its user is told. It
// knows neither HTML nor the API; what takes a change back is in web/pages.
package undo

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// ShownFor is how long a change is offered to be taken back, beside what was
// done next.
const ShownFor = 10 * time.Second

// Bounds of what is kept.
const (
	keptFor    = 10 * time.Minute
	maxOwned   = 20
	maxChanges = 2000
	maxBytes   = 64 << 20
	// MaxObjects is how many objects a change may have that can be taken back.
	MaxObjects = 1000
)

// Object is one object of a change.
type Object struct {
	// Path is the object's page.
	Path string
	// Before is the object as JSON before the change, After what the change made
	// of it.
	Before, After []byte
}

// Change is something that a user did.
type Change struct {
	ID, Text string
	// Job is the work that makes it, empty for what was done at once.
	Job string

	owner string
	at    time.Time

	mu      sync.Mutex // guards the fields below
	objects []Object
	bytes   int
	// over tells that it cannot be taken back, or has been.
	over bool
}

// New gives a Change of objects that come as they are changed.
func New(text string) *Change {
	id := make([]byte, 12)
	rand.Read(id) //nolint:errcheck // crypto/rand never fails
	return &Change{ID: hex.EncodeToString(id), Text: text}
}

// Add takes down that an object was changed.
func (c *Change) Add(o Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += len(o.Before) + len(o.After)
	if c.over || len(c.objects) >= MaxObjects || c.bytes > maxBytes/4 {
		c.drop() // some of it only would be no undo
		return
	}
	c.objects = append(c.objects, o)
}

// drop lets go of the objects. c.mu is held.
func (c *Change) drop() { c.objects, c.bytes, c.over = nil, 0, true }

// Open tells whether the change can still be taken back.
func (c *Change) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.over
}

// Table keeps the changes of all users. It is safe for concurrent use.
type Table struct {
	clock func() time.Time

	mu      sync.Mutex // guards changes
	changes []*Change  // the oldest first
}

// NewTable gives an empty Table.
func NewTable(clock func() time.Time) *Table { return &Table{clock: clock} }

// Keep keeps a change of an owner.
func (t *Table) Keep(owner string, c *Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.owner, c.at = owner, t.clock()
	t.changes = append(t.changes, c)
	t.room()
}

// room drops what is old, or more than there is room for. t.mu is held.
func (t *Table) room() {
	now := t.clock()
	owned, bytes := map[string]int{}, 0
	for i := len(t.changes) - 1; i >= 0; i-- {
		c := t.changes[i]
		c.mu.Lock()
		bytes += c.bytes
		c.mu.Unlock()
		owned[c.owner]++
		if now.Sub(c.at) > keptFor || owned[c.owner] > maxOwned || len(t.changes)-i > maxChanges || bytes > maxBytes {
			t.changes = slices.Delete(t.changes, i, i+1)
		}
	}
}

// At is when it was done.
func (c *Change) At() time.Time { return c.at }

// Latest is what an owner is to be told now and for how long yet; nil for
// nothing.
func (t *Table) Latest(owner string) (*Change, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.changes) > 0 && t.clock().Sub(t.changes[0].at) > keptFor {
		t.room() // what nobody can take back any more is not kept for the next change
	}
	for _, c := range slices.Backward(t.changes) {
		if c.owner == owner {
			if left := ShownFor - t.clock().Sub(c.at); left > 0 {
				return c, left
			}
			return nil, 0
		}
	}
	return nil, 0
}

// Find gives a change of an owner, nil when there is none.
func (t *Table) Find(owner, id string) *Change {
	return t.find(owner, func(c *Change) bool { return c.ID == id })
}

// OfJob gives the change of an owner that a job makes, nil when there is none.
func (t *Table) OfJob(owner, job string) *Change {
	return t.find(owner, func(c *Change) bool { return c.Job == job })
}

func (t *Table) find(owner string, is func(*Change) bool) *Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.changes {
		if c.owner == owner && is(c) && t.clock().Sub(c.at) <= keptFor {
			return c
		}
	}
	return nil
}

// Take gives the objects of a change, once.
func (c *Change) Take() []Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.objects
	c.drop()
	return list
}
