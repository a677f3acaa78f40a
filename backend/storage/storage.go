// Package storage owns the seam between the server and a storage engine: how
// bytes are committed under a key with an expected revision, how they come back
// at start and as one ordered stream of events, and the layout of keys. It
// imports no engine and no Kubernetes type. Read storage.go first; storagetest
// is the suite that every engine passes.
package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Engine keeps keys with values at revisions. A revision is a Kubernetes
// resourceVersion: a positive number that grows with every write of the store.
//
// Order of use: Open (the engine's own), Load, History, Start, then Commit and
// the reads from any goroutine, at last Close.
type Engine interface {
	// Load calls f for every live key in key order, at the newest revision.
	// The record's memory belongs to the callee.
	Load(ctx context.Context, f func(Record) error) (Position, error)
	// History calls f for the events after a revision, in revision order, up
	// to the newest revision. A revision below the compacted one gives
	// ErrCompacted, one above the newest ErrFuture. Attachment is always nil. A
	// delete's value is what was stored before it, with the delete's revision.
	History(ctx context.Context, since int64, f func(Event) error) error
	// Start names the sink of events and begins to take writes. sink is called
	// from one goroutine at a time with contiguous batches in revision order;
	// it must not block, nor write. A write is acknowledged after sink has returned for
	// the batch that holds it, so whoever wrote reads its own write.
	Start(sink func([]Event)) error
	// Commit applies one write and returns its revision. The value's memory
	// belongs to the engine after the call, and to everyone who gets the event:
	// nobody changes it. When it returns without error, Value and Hole of w are
	// what was stored. A done ctx refuses a write before it began; one that
	// began is waited for, so the answer is always true.
	Commit(ctx context.Context, w *Write) (int64, error)
	// ListAt calls f for the keys in [from, to) as they were at a revision, in
	// key order, until f returns false. Below the compacted revision it gives
	// ErrCompacted, above the newest ErrFuture.
	ListAt(ctx context.Context, revision int64, from, to string, f func(Record) bool) error
	// Compact makes revisions below the given one unreadable and lets the
	// engine drop what only they can see. It does nothing when the revision has
	// been compacted or is FirstRevision, and gives ErrFuture above the newest.
	Compact(ctx context.Context, revision int64) error
	// Position tells the newest committed and the compacted revision. A store
	// that was never written is at FirstRevision.
	Position() Position
	// Close ends the engine; it is idempotent.
	Close() error
}

// Shared is an engine whose store other processes write too. Their events come
// through the sink like its own; an event with an empty key says only that the
// store has come to its revision.
type Shared interface {
	Engine
	// Sync waits until the sink has returned for everything that was committed
	// anywhere before the call, so that a read of what it made is consistent.
	Sync(ctx context.Context) error
}

// Expiring is an engine that removes keys by itself some time after the TTL of
// their last write is over. The event is as of any other delete.
type Expiring interface {
	Engine
	Expires()
}

// Resealer is an engine whose values can come to be written differently.
type Resealer interface {
	// Old tells whether the key's value is to be written again, though it has not
	// changed, when somebody writes it.
	Old(key string) bool
}

// Historian is an engine that can tell what became of single keys.
type Historian interface {
	// Changes calls f for the events of the keys in [from, to) after the revision
	// since and up to until, key by key, each key's newest first. Errors are
	// History's.
	Changes(ctx context.Context, from, to string, since, until int64, f func(Event) error) error
	// Written is how many bytes of values were committed since the engine was
	// opened.
	Written() int64
}

// Noting is an engine that keeps the note of each write as long as the write's
// revision can be read, whichever process committed it.
type Noting interface {
	Engine
	// Notes gives each record, which names a key and the revision of a write of it,
	// the note of that write as its Value: nil where there is none. Below the
	// compacted revision it gives ErrCompacted.
	Notes(ctx context.Context, records []Record) error
}

// FirstRevision is that of a store that was never written, as of etcd's: 0 means
// "any" to Kubernetes' clients.
const FirstRevision = 1

// Sizer is an engine that can tell how much room its data takes.
type Sizer interface {
	// Size is how many bytes of disk the database has, with what is not in use.
	Size(ctx context.Context) (int64, error)
}

// Position is where a store stands: its newest revision, and the oldest that
// can be read, 0 before the first compaction.
type Position struct {
	Revision  int64
	Compacted int64
}

// Record is one key at one revision.
type Record struct {
	Key      string
	Value    []byte
	Revision int64
}

// Write is one compare-and-set.
type Write struct {
	Key string
	// Value are an object's JSON bytes. For a delete it is the object's last
	// state, which the event carries with the delete's revision; these bytes
	// are copied, so they may be the shared ones of a cache.
	Value []byte
	// Hole is where Value holds its resourceVersion's digits; the zero Hole
	// when it has none.
	Hole Hole
	// Expected is the revision that the key must be at; 0 when the key must
	// not exist, which is no use to a delete.
	Expected int64
	Delete   bool
	// TTL is how long the key is kept after this write by an engine that is
	// Expiring; zero is for ever. Others do not look at it.
	TTL time.Duration
	// Note is what an engine that is Noting keeps beside the write, also beside a
	// delete. Others do not look at it.
	Note []byte
	// Attachment goes into the event as it is; an event that another process
	// or a restart gives has none.
	Attachment any
}

// Hole is the place of a revision's digits inside JSON bytes: `"123"` without
// the quotes. The engine writes the digits of the new revision there; when the
// number of digits differs it splices.
type Hole struct{ Offset, Len int }

// Event is one committed write.
type Event struct {
	Key      string
	Value    []byte
	Revision int64
	// Previous is the key's revision before; 0 when the write created it.
	Previous   int64
	Delete     bool
	Attachment any
}

// Errors of an engine. ConflictError wraps ErrConflict.
var (
	ErrConflict  = errors.New("storage: the key is not at the expected revision")
	ErrCompacted = errors.New("storage: the revision has been compacted")
	ErrFuture    = errors.New("storage: the revision is not there yet")
	ErrNoSpace   = errors.New("storage: the disk is nearly full: writes are refused, reads go on")
	ErrClosed    = errors.New("storage: closed")
	ErrTooLarge  = errors.New("storage: the value is too large")
	ErrLocked    = errors.New("storage: the data folder is in use by another process")
	ErrFormat    = errors.New("storage: the data folder was written by a newer version")
)

// ConflictError tells which revision a key is at; Current 0 means that it does
// not exist.
type ConflictError struct {
	Key               string
	Expected, Current int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("storage: %s is at revision %d, not %d", e.Key, e.Current, e.Expected)
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }
