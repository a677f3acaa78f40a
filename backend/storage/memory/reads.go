package memory

import (
	"context"
	"slices"

	"pilothouse/backend/storage"

	"github.com/tidwall/btree"
)

// Load calls f for every live key.
func (e *Engine) Load(ctx context.Context, f func(storage.Record) error) (storage.Position, error) {
	keys, position, err := e.snapshot()
	if err != nil {
		return position, err
	}
	keys.Scan(func(key string, versions []version) bool {
		v := at(versions, position.Revision)
		if v == nil {
			return true
		}
		if err = ctx.Err(); err == nil {
			err = f(storage.Record{Key: key, Value: v.value, Revision: v.revision})
		}
		return err == nil
	})
	return position, err
}

// ListAt calls f for the keys in [from, to) at a revision.
func (e *Engine) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	keys, position, err := e.snapshot()
	switch {
	case err != nil:
		return err
	case revision < position.Compacted:
		return storage.ErrCompacted
	case revision > position.Revision:
		return storage.ErrFuture
	}
	keys.Ascend(from, func(key string, versions []version) bool {
		if err = ctx.Err(); err != nil || to != "" && key >= to {
			return false
		}
		v := at(versions, revision)
		return v == nil || f(storage.Record{Key: key, Value: v.value, Revision: v.revision})
	})
	return err
}

// History calls f for the events after a revision.
func (e *Engine) History(ctx context.Context, since int64, f func(storage.Event) error) error {
	keys, position, err := e.snapshot()
	switch {
	case err != nil:
		return err
	case since < position.Compacted:
		return storage.ErrCompacted
	case since > position.Revision:
		return storage.ErrFuture
	}
	var events []storage.Event
	keys.Scan(func(key string, versions []version) bool {
		for _, v := range versions {
			if v.revision > since {
				events = append(events, storage.Event{
					Key: key, Value: v.value, Revision: v.revision, Previous: v.previous, Delete: v.deleted,
				})
			}
		}
		return true
	})
	slices.SortFunc(events, func(a, b storage.Event) int { return int(a.Revision - b.Revision) })
	for _, ev := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(ev); err != nil {
			return err
		}
	}
	return nil
}

// Compact makes revisions below the given one unreadable.
func (e *Engine) Compact(_ context.Context, revision int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	s := e.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision > s.position.Revision {
		return storage.ErrFuture
	}
	if revision <= max(s.position.Compacted, storage.FirstRevision) {
		return nil
	}
	s.position.Compacted = revision
	kept := btree.NewMap[string, []version](32)
	s.keys.Scan(func(key string, versions []version) bool {
		if versions = compacted(versions, revision); len(versions) > 0 {
			kept.Load(key, versions)
		}
		return true
	})
	s.keys = kept
	return nil
}

// compacted leaves the versions above revision and the one that was live at it.
func compacted(versions []version, revision int64) []version {
	i := 0
	for i+1 < len(versions) && versions[i+1].revision <= revision {
		i++
	}
	if versions[i].deleted && versions[i].revision <= revision {
		i++
	}
	return versions[i:]
}

// at is the version of a key at a revision, nil when it does not exist then.
func at(versions []version, revision int64) *version {
	for i := len(versions) - 1; i >= 0; i-- {
		if v := &versions[i]; v.revision <= revision {
			if v.deleted {
				return nil
			}
			return v
		}
	}
	return nil
}

// snapshot is the store as it is now; nothing in it changes any more.
func (e *Engine) snapshot() (*btree.Map[string, []version], storage.Position, error) {
	s := e.store
	s.mu.Lock() // Copy marks the tree that it copies.
	defer s.mu.Unlock()
	if e.closed {
		return nil, s.position, storage.ErrClosed
	}
	return s.keys.Copy(), s.position, nil
}
