package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// burners is how many writes that only use up revisions are under way at once: as
// many as etcd puts into one sync of its log.
const burners = 256

// Restore fills a cluster that was never written from a backup. etcd counts its
// revisions itself, so the records are written in the order of theirs, and
// writes of a mark use up the revisions between: a few seconds for a hundred
// thousand. Nobody else may write meanwhile. The mark stays when a restore
// fails, and Open refuses such a cluster.
func (e *Engine) Restore(ctx context.Context, revision int64, next func() (storage.Record, error)) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	if e.Position() != (storage.Position{Revision: storage.FirstRevision}) {
		return storage.ErrNotEmpty
	}
	records, err := collect(ctx, next) // all of them: a damaged backup writes nothing
	if err != nil {
		return err
	}
	at := int64(storage.FirstRevision)
	for _, r := range records {
		if r.Revision <= at || r.Revision > revision {
			return fmt.Errorf("restore %s: revision %d after %d", r.Key, r.Revision, at)
		}
		if err := e.burn(ctx, at, r.Revision-1); err != nil {
			return err
		}
		if err := e.place(ctx, r, revision); err != nil {
			return err
		}
		at = r.Revision
	}
	if at < revision {
		if err := e.burn(ctx, at, revision-1); err != nil {
			return err
		}
		if err := e.unmark(ctx, revision); err != nil {
			return err
		}
	}
	e.revision.Store(revision)
	if _, err := e.client.Compact(ctx, revision); err != nil {
		return translate(err)
	}
	e.compacted.Store(revision)
	return nil
}

// collect reads a whole backup, in the order of revisions.
func collect(ctx context.Context, next func() (storage.Record, error)) ([]storage.Record, error) {
	var records []storage.Record
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			slices.SortFunc(records, func(a, b storage.Record) int { return cmp.Compare(a.Revision, b.Revision) })
			return records, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
}

// place writes a record at its revision, which is the next one. The last one
// takes the mark away in the same transaction.
func (e *Engine) place(ctx context.Context, r storage.Record, last int64) error {
	mark := clientv3.OpPut(e.restoreKey(), "1")
	if r.Revision == last {
		mark = clientv3.OpDelete(e.restoreKey())
	}
	return e.write(ctx, r.Revision, clientv3.OpPut(e.key(r.Key), string(r.Value)), mark)
}

// unmark ends a restore at a revision that is no record's.
func (e *Engine) unmark(ctx context.Context, revision int64) error {
	// With a put: deleting what is not there takes no revision.
	return e.write(ctx, revision, clientv3.OpPut(e.doneKey(), ""), clientv3.OpDelete(e.restoreKey()))
}

// doneKey tells that a restore has ended where its newest writes were deletes.
func (e *Engine) doneKey() string { return e.restoreKey() + ".done" }

func (e *Engine) write(ctx context.Context, want int64, ops ...clientv3.Op) error {
	r, err := e.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return translate(err)
	}
	if r.Header.Revision != want {
		return fmt.Errorf("restore: somebody else writes to etcd: it is at revision %d, not %d", r.Header.Revision, want)
	}
	return nil
}

// burn takes the store from one revision to another with writes of the mark.
func (e *Engine) burn(ctx context.Context, from, to int64) error {
	n := to - from
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan struct{}, burners)
	var wg sync.WaitGroup
	for range min(n, burners) {
		wg.Go(func() {
			for range work {
				err := metrics.Protected("storage", func() error {
					_, err := e.client.Put(ctx, e.restoreKey(), "1")
					return err
				})
				if err != nil {
					cancel(translate(err))
				}
			}
		})
	}
	for ; n > 0 && ctx.Err() == nil; n-- {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}
