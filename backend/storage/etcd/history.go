package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/storage"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/klog/v2"
)

// History calls f for the events after a revision, up to the newest.
func (e *Engine) History(ctx context.Context, since int64, f func(storage.Event) error) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	position := e.Position()
	switch {
	case since < position.Compacted:
		return storage.ErrCompacted
	case since > position.Revision:
		return storage.ErrFuture
	case since == position.Revision:
		return ctx.Err()
	}
	return e.replay(ctx, e.everything(), since, position.Revision, f)
}

// keepValues bounds the memory that a question for changes takes, in bytes of
// values; those beyond it are read again when their turn comes.
const keepValues = 64 << 20

// Changes calls f for the events of some keys. etcd tells them in the order of
// their revisions, for which it reads all of its history after since; the calls
// take turns, so that people who are curious cannot keep it from its work.
func (e *Engine) Changes(ctx context.Context, from, to string, since, until int64, f func(storage.Event) error) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	switch position := e.Position(); {
	case since > position.Revision || until > position.Revision:
		return storage.ErrFuture
	case since < position.Compacted:
		return storage.ErrCompacted
	}
	events, err := e.changes(ctx, e.span(from, to), since, until)
	for i := 0; err == nil && i < len(events); i++ {
		if err = e.complete(ctx, &events[i]); err == nil {
			err = f(events[i])
		}
	}
	if errors.Is(err, storage.ErrCompacted) {
		e.lookBack(ctx)
	}
	return err
}

// changes gives the events of a span of keys, key by key, each key's newest
// first. Values beyond keepValues are left out.
func (e *Engine) changes(ctx context.Context, s span, since, until int64) ([]storage.Event, error) {
	if err := e.asking.lock(ctx); err != nil {
		return nil, err
	}
	defer e.asking.unlock()
	if since >= until || s.from >= s.to { // etcd is asked whether the revision can be read
		_, err := e.client.Get(ctx, e.restoreKey(), clientv3.WithRev(max(since, storage.FirstRevision)), clientv3.WithCountOnly())
		return nil, translate(err)
	}
	var events []storage.Event
	kept := 0
	err := e.replay(ctx, s, since, until, func(ev storage.Event) error {
		if kept += len(ev.Value); kept > keepValues {
			ev.Value = nil
		}
		events = append(events, ev)
		return nil
	})
	slices.SortFunc(events, func(a, b storage.Event) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(b.Revision, a.Revision))
	})
	return events, err
}

// complete reads the value of an event that was left out.
func (e *Engine) complete(ctx context.Context, ev *storage.Event) error {
	if ev.Value != nil {
		return nil
	}
	at := ev.Revision
	if ev.Delete {
		at--
	}
	r, err := e.client.Get(ctx, e.key(ev.Key), clientv3.WithRev(at))
	if err != nil {
		return translate(err)
	}
	if len(r.Kvs) == 0 {
		return fmt.Errorf("etcd: %s has no value at revision %d", ev.Key, at)
	}
	ev.Value = filled(r.Kvs[0].Value, ev.Revision)
	return nil
}

// replay calls f for the events of a span of keys in (since, until], in the order
// of revisions.
func (e *Engine) replay(ctx context.Context, s span, since, until int64, f func(storage.Event) error) error {
	var failed error
	err := e.watch(ctx, s, since+1, always, e.event, func(events []storage.Event, complete int64) bool {
		for _, ev := range events {
			if ev.Revision > until {
				return false
			}
			if failed = f(ev); failed == nil {
				failed = ctx.Err()
			}
			if failed != nil {
				return false
			}
		}
		return complete < until
	})
	if failed != nil {
		return failed
	}
	return err
}

func always() bool { return true }

// lookBack finds out how far back etcd can be read, after somebody else has
// compacted it.
func (e *Engine) lookBack(ctx context.Context) {
	oldest, err := e.oldest(ctx, e.revision.Load())
	if err != nil {
		klog.V(2).InfoS("etcd does not tell its oldest revision", "err", err)
		return
	}
	e.compactedAt(oldest)
}

// compactedAt notes that older revisions cannot be read.
func (e *Engine) compactedAt(revision int64) {
	for old := e.compacted.Load(); old < revision && !e.compacted.CompareAndSwap(old, revision); {
		old = e.compacted.Load()
	}
}

// Written is how many bytes of keys and values came with events since the engine
// was started, other processes' too.
func (e *Engine) Written() int64 { return e.written.Load() }

// turn lets one caller at a time go on.
type turn chan struct{}

func (t turn) lock(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) unlock() { <-t }
