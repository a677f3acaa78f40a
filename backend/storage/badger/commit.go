package badger

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// A write becomes durable like this. Writers stand in a queue. The first of
// them leads: it takes everyone who waits, gives each a revision, writes all of
// them with one sync of the disk, publishes the newest revision, hands the
// events to the sink and only then wakes the writers. Those who came meanwhile
// are the next batch, and the first of them is woken to lead it. So
//
//   - revisions have no gaps: there is one leader, and a refused write takes none;
//   - nothing is seen that can be lost: publishing comes after the sync;
//   - who wrote reads its own write, and whoever gets an event can list its
//     revision: the sink has returned before the writer is woken, and the
//     revision is published before the sink is called.

// Bounds of a batch, so that it is one request to Badger, which takes at most
// 15 % of its memory table, and so is one sync.
const (
	maxBatch      = 512
	maxBatchBytes = memTableSize / 8
)

// pending is a write in the queue. wake gets one value: whether to lead.
type pending struct {
	write    *storage.Write
	revision int64
	err      error
	wake     chan bool
}

var pendings = sync.Pool{New: func() any { return &pending{wake: make(chan bool, 1)} }}

// Commit applies one write.
func (e *Engine) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := e.space.check(w); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := pendings.Get().(*pending)
	p.write = w
	leads, err := e.queue.push(p)
	if err != nil {
		return 0, err
	}
	if leads || <-p.wake {
		e.lead(p)
	}
	revision, err := p.revision, p.err
	p.write, p.revision, p.err = nil, 0, nil
	pendings.Put(p)
	return revision, err
}

// lead commits the batch whose first write is own. Those whom the last batch
// woke get a chance to stand in line first, if they can run at once: larger
// batches are worth more than the microsecond.
func (e *Engine) lead(own *pending) {
	runtime.Gosched()
	batch := e.queue.take()
	e.commit(batch)
	e.queue.next()
	for _, p := range batch {
		if p != own {
			p.wake <- false
		}
	}
}

// commit does what the queue's order of things asks for; it ends with the sink.
func (e *Engine) commit(batch []*pending) {
	events := e.assign(batch)
	if len(events) == 0 {
		return
	}
	if err := e.write(events); err != nil {
		e.fail(batch, err)
		return
	}
	e.published.Store(events[len(events)-1].Revision)
	size := int64(0)
	for i := range events {
		size += int64(len(events[i].Key) + len(events[i].Value))
	}
	e.written.Add(size)
	e.sink(events)
}

// assign compares each write with the newest state, those before it in the
// batch included, and gives the good ones their revisions.
func (e *Engine) assign(batch []*pending) []storage.Event {
	events := make([]storage.Event, 0, len(batch))
	revision := e.published.Load()
	for _, p := range batch {
		w := p.write
		if current := e.head[w.Key]; current != w.Expected || e.failure != nil {
			p.err = refusal(w, current, e.failure)
			continue
		}
		revision++
		p.revision = revision
		events = append(events, w.Commit(revision))
		if w.Delete {
			delete(e.head, w.Key)
		} else {
			e.head[w.Key] = revision
		}
	}
	return events
}

func refusal(w *storage.Write, current int64, failure error) error {
	if failure != nil {
		return failure
	}
	return &storage.ConflictError{Key: w.Key, Expected: w.Expected, Current: current}
}

// write makes the events durable. One event is a transaction, which saves a
// change of goroutines; more are a batch with a version for each.
func (e *Engine) write(events []storage.Event) error {
	if len(events) == 1 {
		return e.writeOne(&events[0])
	}
	wb := e.db.NewManagedWriteBatch()
	defer wb.Cancel()
	for i := range events {
		ev := &events[i]
		var err error
		if ev.Delete {
			err = wb.DeleteAt(objectKey(ev.Key), uint64(ev.Revision))
		} else {
			err = wb.SetEntryAt(badgerdb.NewEntry(objectKey(ev.Key), ev.Value), uint64(ev.Revision))
		}
		if err != nil {
			return err
		}
	}
	return wb.Flush()
}

func (e *Engine) writeOne(ev *storage.Event) error {
	txn := e.db.NewTransactionAt(uint64(ev.Revision-1), true)
	defer txn.Discard()
	var err error
	if ev.Delete {
		err = txn.Delete(objectKey(ev.Key))
	} else {
		err = txn.Set(objectKey(ev.Key), ev.Value)
	}
	if err != nil {
		return err
	}
	return txn.CommitAt(uint64(ev.Revision), nil)
}

// fail ends the engine: after a failed sync the entries may be on the disk or
// not, and are in Badger's memory already.
func (e *Engine) fail(batch []*pending, err error) {
	e.failure = fmt.Errorf("storage: a commit failed: %w", err)
	for _, p := range batch {
		p.revision, p.err = 0, e.failure
	}
	e.options.Fatal(e.failure)
}

func objectKey(key string) []byte {
	b := make([]byte, 0, len(key)+1)
	return append(append(b, objectPrefix), key...)
}
