package badger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
)

const maxRevision = math.MaxUint64

// Load calls f for every live key at the newest revision.
func (e *Engine) Load(ctx context.Context, f func(storage.Record) error) (storage.Position, error) {
	if err := e.uses.begin(); err != nil {
		return storage.Position{}, err
	}
	defer e.uses.end()
	position := e.Position()
	head, done := e.beginHead()
	err := e.scanAhead(ctx, position.Revision, func(r storage.Record) error {
		if head != nil {
			head[r.Key] = r.Revision
		}
		return f(r)
	})
	done(err == nil)
	return position, err
}

// beginHead gives the map that Load is to fill, nil when it has been; done says
// whether it is complete.
func (e *Engine) beginHead() (head map[string]int64, done func(bool)) {
	e.headMu.Lock()
	if e.head != nil {
		e.headMu.Unlock()
		return nil, func(bool) {}
	}
	head = map[string]int64{}
	return head, func(complete bool) {
		if complete {
			e.head = head
		}
		e.headMu.Unlock()
	}
}

// buildHead is for those who Start without a Load.
func (e *Engine) buildHead(ctx context.Context) error {
	head, done := e.beginHead()
	if head == nil {
		return nil
	}
	txn := e.db.NewTransactionAt(uint64(e.published.Load()), false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{objectPrefix}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		head[string(item.Key()[1:])] = int64(item.Version())
	}
	done(true)
	return ctx.Err()
}

// ListAt calls f for the keys in [from, to) at a revision.
func (e *Engine) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	if revision > e.published.Load() {
		return storage.ErrFuture
	}
	return e.scan(ctx, revision, from, to, f)
}

// scan reads one revision exactly. The iterator keeps the files that it began
// with, so a compaction that begins later takes nothing from it; one that began
// earlier is seen in compacted, which is raised first.
func (e *Engine) scan(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	txn := e.db.NewTransactionAt(uint64(revision), false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{objectPrefix}})
	defer it.Close()
	if revision < e.compacted.Load() {
		return storage.ErrCompacted
	}
	for it.Seek(objectKey(from)); it.Valid(); it.Next() {
		item := it.Item()
		key := item.Key()[1:]
		if to != "" && string(key) >= to {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := valueOf(item)
		if err != nil {
			return err
		}
		if !f(storage.Record{Key: string(key), Value: value, Revision: int64(item.Version())}) {
			return nil
		}
	}
	return nil
}

// How far scanAhead reads ahead: aheadBatches times aheadRecords records.
const (
	aheadBatches = 8
	aheadRecords = 128
)

// scanAhead is a scan of all, with Badger's reading in a goroutine of its own:
// at a start f has as much to do as Badger.
func (e *Engine) scanAhead(ctx context.Context, revision int64, f func(storage.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []storage.Record, aheadBatches)
	var failed error // of the scan; to be read when batches is closed
	go func() {
		defer close(batches)
		var batch []storage.Record
		send := func() bool {
			select {
			case batches <- batch:
				batch = nil
				return true
			case <-ctx.Done():
				return false
			}
		}
		failed = metrics.Protected("storage", func() error {
			return e.scan(ctx, revision, "", "", func(r storage.Record) bool {
				batch = append(batch, r)
				return len(batch) < aheadRecords || send()
			})
		})
		send()
	}()
	for batch := range batches {
		for _, r := range batch {
			if err := f(r); err != nil {
				cancel()
				for range batches { // until the scan has ended
				}
				return err
			}
		}
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// valueOf copies an item's value into memory of its own. Badger only logs when
// the value log does not have a value, and gives an empty one.
func valueOf(item *badgerdb.Item) (value []byte, err error) {
	err = item.Value(func(b []byte) error {
		value = slices.Clone(b)
		return nil
	})
	if err == nil && len(value) == 0 && item.ValueSize() > 0 {
		err = errors.New("the value log does not have it")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s at revision %d: %w", item.Key()[1:], item.Version(), err)
	}
	return value, nil
}
