package badger

import (
	"context"
	"errors"
	"time"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
	"k8s.io/klog/v2"
)

// Compact makes revisions below the given one unreadable. The revision is on
// the disk before Badger may drop anything: Badger gives no error for what it
// dropped, and forgets the revision itself when it is closed.
func (e *Engine) Compact(ctx context.Context, revision int64) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	e.compactMu.Lock()
	defer e.compactMu.Unlock()
	if revision > e.published.Load() {
		return storage.ErrFuture
	}
	if revision <= max(e.compacted.Load(), storage.FirstRevision) {
		return nil
	}
	e.compacted.Store(revision)
	if err := e.setMeta(compactedKey, revision, revision); err != nil {
		return err
	}
	e.discard(revision)
	return nil
}

// discard lets Badger drop what only revisions below the given one see, and
// never its newest version: when that is a delete, Badger would forget the
// newest revision, and it would be given out again after a restart.
func (e *Engine) discard(revision int64) {
	if revision = min(revision, e.published.Load()-1); revision > 0 {
		e.db.SetDiscardTs(uint64(revision))
	}
}

// collectInterval is how often the value log is looked at, and collectRatio
// how much of one of its files must be dropped values for it to be rewritten.
const (
	collectInterval = 10 * time.Minute
	collectRatio    = 0.5
)

// collectValueLog gives the room of dropped large values back, until ctx is
// done. All other values are dropped by Badger's own compaction.
func (e *Engine) collectValueLog(ctx context.Context) {
	tick := time.NewTicker(collectInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ctx.Err() == nil && e.collectOnce(collectRatio) {
		}
	}
}

// collectOnce rewrites one file of the value log; false when none was worth it.
func (e *Engine) collectOnce(ratio float64) bool {
	err := e.db.RunValueLogGC(ratio)
	if err != nil && !errors.Is(err, badgerdb.ErrNoRewrite) && !errors.Is(err, badgerdb.ErrRejected) {
		klog.ErrorS(err, "Cannot collect the value log")
	}
	return err == nil
}
