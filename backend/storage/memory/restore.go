package memory

import (
	"context"
	"errors"
	"io"

	"pilothouse/backend/storage"

	"github.com/tidwall/btree"
)

// Restore fills an empty store from a backup; when it errs the store stays
// empty.
func (e *Engine) Restore(ctx context.Context, revision int64, next func() (storage.Record, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.position != (storage.Position{Revision: storage.FirstRevision}) {
		return storage.ErrNotEmpty
	}
	keys := btree.NewMap[string, []version](32)
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			s.keys = keys
			s.position = storage.Position{Revision: revision, Compacted: revision}
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		keys.Set(r.Key, []version{{revision: r.Revision, value: r.Value}})
	}
}
