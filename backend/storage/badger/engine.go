// Package badger is the storage engine of a single server: a Badger database in
// managed mode, where the version of every entry is its resourceVersion. It
// imports nothing of Pilothouse but storage. Read engine.go, then commit.go
// (how writes get their revision and become durable), reads.go and compact.go;
// docs/formats/storage.md has the layout on disk.
package badger

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
	"k8s.io/klog/v2"
)

// Engine is a storage.Engine over a folder.
type Engine struct {
	options Options
	db      *badgerdb.DB
	lock    *folderLock
	space   *space

	// published is the newest revision that is durable. Nothing is read above
	// it: Badger would show a state that a write in flight still changes.
	published atomic.Int64
	compacted atomic.Int64
	written   atomic.Int64 // bytes of values since Open
	compactMu sync.Mutex   // makes Compact one at a time

	queue queue
	// head is every live key's revision, for compare-and-set. Load or Start
	// builds it; then it belongs to the leading writer.
	head    map[string]int64
	headMu  sync.Mutex // guards building head
	sink    func([]storage.Event)
	failure error // of a commit; belongs to the leading writer

	uses      uses
	stop      context.CancelFunc
	loops     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

var (
	errNotStarted = errors.New("storage: not started")
	errStarted    = errors.New("storage: started twice")
)

// Start names the sink of events and begins to take writes.
func (e *Engine) Start(sink func([]storage.Event)) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	if err := e.buildHead(context.Background()); err != nil {
		return err
	}
	if !e.queue.open(func() { e.sink = sink }) {
		return errStarted
	}
	if _, err := releaseTables(e.options.Dir); err != nil {
		klog.V(2).InfoS("Cannot give the memory of the tables back", "err", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	e.loops.Go(metrics.Kept(ctx, "storage", func() { e.collectValueLog(ctx) }))
	return nil
}

// Position tells the newest durable and the compacted revision.
func (e *Engine) Position() storage.Position {
	return storage.Position{Revision: e.published.Load(), Compacted: e.compacted.Load()}
}

// Close waits for the writes and reads that have begun, and closes the folder.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		e.queue.close()
		e.uses.close()
		if e.stop != nil {
			e.stop()
		}
		e.loops.Wait()
		e.closeErr = errors.Join(e.db.Close(), e.lock.release())
	})
	return e.closeErr
}

// uses counts who reads the database: closing it under a reader would unmap
// the memory that it reads.
type uses struct {
	mu     sync.Mutex
	count  int
	closed bool
	idle   sync.Cond // on mu, when closed and count is 0
}

func (u *uses) begin() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return storage.ErrClosed
	}
	u.count++
	return nil
}

func (u *uses) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count--
	if u.count == 0 && u.closed {
		u.idle.Broadcast()
	}
}

func (u *uses) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for u.count > 0 {
		u.idle.Wait()
	}
}
