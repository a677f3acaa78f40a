// Package memory is a storage engine that keeps everything in memory: for tests
// of the packages above, and the plainest statement of what an engine does. It
// never touches a disk. Read memory.go, then reads.go.
package memory

import (
	"context"
	"errors"
	"sync"

	"pilothouse/backend/storage"

	"github.com/tidwall/btree"
)

// Store is what would be a folder on a disk: it outlives the engines that are
// opened on it, one at a time.
type Store struct {
	mu       sync.RWMutex // guards the rest
	open     bool
	keys     *btree.Map[string, []version]
	position storage.Position
}

// version is a key at a revision; a deleted one has the value before it, with
// its own revision.
type version struct {
	revision, previous int64
	value              []byte
	deleted            bool
}

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{
		keys:     btree.NewMap[string, []version](32),
		position: storage.Position{Revision: storage.FirstRevision},
	}
}

// New opens an engine on a store of its own.
func New() *Engine { return &Engine{store: NewStore()} }

// Open gives an engine on the store; ErrLocked while another one is open.
func (s *Store) Open() (*Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		return nil, storage.ErrLocked
	}
	s.open = true
	return &Engine{store: s}, nil
}

// Engine is a storage.Engine over a Store.
type Engine struct {
	store *Store

	mu     sync.Mutex // makes writes one at a time, the sink's call included
	sink   func([]storage.Event)
	closed bool // written with store.mu held too
}

var errNotStarted = errors.New("storage: not started")

// Start names the sink and begins to take writes.
func (e *Engine) Start(sink func([]storage.Event)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	e.sink = sink
	return nil
}

// Commit applies one write.
func (e *Engine) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, storage.ErrClosed
	}
	if e.sink == nil {
		return 0, errNotStarted
	}
	ev, err := e.store.apply(w)
	if err != nil {
		return 0, err
	}
	e.sink([]storage.Event{ev})
	return ev.Revision, nil
}

func (s *Store) apply(w *storage.Write) (storage.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions, _ := s.keys.Get(w.Key)
	if current := newest(versions); current != w.Expected {
		return storage.Event{}, &storage.ConflictError{Key: w.Key, Expected: w.Expected, Current: current}
	}
	s.position.Revision++
	ev := w.Commit(s.position.Revision)
	v := version{revision: ev.Revision, previous: ev.Previous, value: ev.Value, deleted: ev.Delete}
	if ev.Delete {
		last := versions[len(versions)-1].value
		hole, _ := storage.FindHole(last)
		v.value, _ = hole.Splice(last, ev.Revision)
	}
	s.keys.Set(w.Key, append(versions, v))
	return ev, nil
}

// newest is the revision that a key is at, 0 when it does not exist.
func newest(versions []version) int64 {
	if n := len(versions); n > 0 && !versions[n-1].deleted {
		return versions[n-1].revision
	}
	return 0
}

// Position tells the newest and the compacted revision.
func (e *Engine) Position() storage.Position {
	e.store.mu.RLock()
	defer e.store.mu.RUnlock()
	return e.store.position
}

// Close ends the engine; the store can be opened again.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if !e.closed {
		e.closed, e.store.open = true, false
	}
	return nil
}
