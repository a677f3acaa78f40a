package badger

import (
	"context"
	"errors"
	"io"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// Restore fills an empty folder from a backup. Until it has ended the folder is
// marked, and is not opened again.
func (e *Engine) Restore(ctx context.Context, revision int64, next func() (storage.Record, error)) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	if e.Position() != (storage.Position{Revision: storage.FirstRevision}) {
		return storage.ErrNotEmpty
	}
	if err := e.setMeta(restoringKey, 1, storage.FirstRevision); err != nil {
		return err
	}
	if err := e.writeRecords(ctx, next); err != nil {
		return err
	}
	// This is what makes revision the newest version of the database, even if
	// the newest record is older because a delete came last.
	if err := e.setMeta(compactedKey, revision, revision); err != nil {
		return err
	}
	if err := e.setMeta(restoringKey, 0, revision); err != nil {
		return err
	}
	e.compacted.Store(revision)
	e.published.Store(revision)
	e.discard(revision)
	return nil
}

func (e *Engine) writeRecords(ctx context.Context, next func() (storage.Record, error)) error {
	wb := e.db.NewManagedWriteBatch()
	defer wb.Cancel()
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			return wb.Flush()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = wb.SetEntryAt(badgerdb.NewEntry(objectKey(r.Key), r.Value), uint64(r.Revision))
		}
		if err != nil {
			return err
		}
	}
}
