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
	events, err := e.eventsBetween(ctx, since, newest)
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

// eventsBetween are the versions in (since, newest], in key order.
func (e *Engine) eventsBetween(ctx context.Context, since, newest int64) ([]storage.Event, error) {
	txn := e.db.NewTransactionAt(uint64(newest), false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{
		Prefix: []byte{objectPrefix}, AllVersions: true, SinceTs: uint64(since),
	})
	defer it.Close()
	before := e.db.NewTransactionAt(uint64(since), false)
	defer before.Discard()

	var events []storage.Event
	begin := 0 // where the events of the current key begin
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ev, err := eventOf(it.Item())
		if err != nil {
			return nil, err
		}
		if len(events) > begin && events[begin].Key != ev.Key {
			if err := chain(before, events[begin:]); err != nil {
				return nil, err
			}
			begin = len(events)
		}
		if len(events) > begin {
			ev.Key = events[begin].Key // one string for all of a key's events
		}
		events = append(events, ev)
	}
	return events, chain(before, events[begin:])
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
