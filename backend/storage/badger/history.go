package badger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// History calls f for the events after a revision. The database is its own
// log: every version above the compacted revision is an event. They are read
// in key order, so all of them are in memory to be sorted.
func (e *Engine) History(ctx context.Context, since int64, f func(storage.Event) error) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	newest := e.published.Load()
	switch {
	case since > newest:
		return storage.ErrFuture
	case since < e.compacted.Load():
		return storage.ErrCompacted
	}
	var events []storage.Event
	err := e.eventsBetween(ctx, "", "", since, newest, func(ofKey []storage.Event) error {
		events = append(events, ofKey...)
		return nil
	})
	if err != nil {
		return err
	}
	if since < e.compacted.Load() { // compacted meanwhile: some may be missing
		return storage.ErrCompacted
	}
	slices.SortFunc(events, func(a, b storage.Event) int { return int(a.Revision - b.Revision) })
	for i := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(events[i]); err != nil {
			return err
		}
	}
	return nil
}

// Changes calls f for the events of some keys.
func (e *Engine) Changes(ctx context.Context, from, to string, since, until int64, f func(storage.Event) error) error {
	if err := e.uses.begin(); err != nil {
		return err
	}
	defer e.uses.end()
	switch newest := e.published.Load(); {
	case since > newest || until > newest:
		return storage.ErrFuture
	case since < e.compacted.Load():
		return storage.ErrCompacted
	}
	err := e.eventsBetween(ctx, from, to, since, until, func(ofKey []storage.Event) error {
		for i := range ofKey {
			if err := f(ofKey[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && since < e.compacted.Load() { // compacted meanwhile: some may be missing
		return storage.ErrCompacted
	}
	return err
}

// Written is how many bytes were committed since Open.
func (e *Engine) Written() int64 { return e.written.Load() }

// eventsBetween calls f with the versions in (since, until] of each key in [from,
// to), key by key, the newest first.
func (e *Engine) eventsBetween(ctx context.Context, from, to string, since, until int64, f func([]storage.Event) error) error {
	txn := e.db.NewTransactionAt(uint64(until), false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{
		Prefix: objectKey(commonPrefix(from, to)), AllVersions: true, SinceTs: uint64(since),
	})
	defer it.Close()
	before := e.db.NewTransactionAt(uint64(since), false)
	defer before.Discard()

	var events []storage.Event // of one key
	end := func() error {
		if len(events) == 0 {
			return nil
		}
		if err := chain(before, events); err != nil {
			return err
		}
		err := f(events)
		events = events[:0]
		return err
	}
	for it.Seek(objectKey(from)); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		item := it.Item()
		if key := item.Key()[1:]; to != "" && string(key) >= to {
			break
		}
		ev, err := eventOf(item)
		if err != nil {
			return err
		}
		if len(events) > 0 && events[0].Key != ev.Key {
			if err := end(); err != nil {
				return err
			}
		}
		if len(events) > 0 {
			ev.Key = events[0].Key // one string for all of a key's events
		}
		events = append(events, ev)
	}
	return end()
}

// commonPrefix is what all keys in [from, to) begin with.
func commonPrefix(from, to string) string {
	n := 0
	for n < len(from) && n < len(to) && from[n] == to[n] {
		n++
	}
	return from[:n]
}

func eventOf(item *badgerdb.Item) (storage.Event, error) {
	ev := storage.Event{
		Key: string(item.Key()[1:]), Revision: int64(item.Version()), Delete: item.IsDeletedOrExpired(),
	}
	if ev.Delete {
		return ev, nil
	}
	var err error
	ev.Value, err = valueOf(item)
	return ev, err
}

// chain fills in what one key's events, newest first, owe to the version before
// them: Previous, and a delete's last state. The oldest one's is read at the
// revision that the history begins after.
func chain(before *badgerdb.Txn, events []storage.Event) error {
	for i := range events {
		ev := &events[i]
		previous, value, err := versionBefore(before, events, i)
		if err != nil {
			return err
		}
		ev.Previous = previous
		if ev.Delete {
			hole, _ := storage.FindHole(value)
			ev.Value, _ = hole.Splice(value, ev.Revision)
		}
	}
	return nil
}

// versionBefore is the live version before event i, revision 0 when there is
// none.
func versionBefore(before *badgerdb.Txn, events []storage.Event, i int) (revision int64, value []byte, err error) {
	if i+1 < len(events) {
		if older := events[i+1]; !older.Delete {
			return older.Revision, older.Value, nil
		}
		return 0, nil, nil
	}
	item, err := before.Get(objectKey(events[i].Key))
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read %s before revision %d: %w", events[i].Key, events[i].Revision, err)
	}
	if events[i].Delete {
		value, err = valueOf(item)
	}
	return int64(item.Version()), value, err
}
