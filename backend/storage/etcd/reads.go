package etcd

import (
	"context"
	"sync"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Load calls f for every live key, at one revision, and makes that the one
// from which Start follows.
func (e *Engine) Load(ctx context.Context, f func(storage.Record) error) (storage.Position, error) {
	if err := e.begin(); err != nil {
		return storage.Position{}, err
	}
	defer e.end()
	var failed error
	revision, err := e.scan(ctx, 0, "", "", func(r storage.Record) bool {
		failed = f(r)
		return failed == nil
	})
	if failed != nil {
		err = failed
	}
	if err == nil && !e.isStarted() {
		e.revision.Store(max(revision, e.revision.Load()))
	}
	return e.Position(), err
}

func (e *Engine) isStarted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started
}

// ListAt calls f for the keys in [from, to) at a revision.
func (e *Engine) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	switch {
	case revision < e.compacted.Load():
		return storage.ErrCompacted
	case revision < storage.FirstRevision:
		return ctx.Err() // nothing was there before; 0 is the newest to etcd
	}
	_, err := e.scan(ctx, revision, from, to, f)
	return err
}

// scan reads [from, to) in pages, all at one revision, the newest for 0, and
// gives which.
func (e *Engine) scan(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) (int64, error) {
	keys := e.span(from, to)
	start, end := keys.from, keys.to
	if start >= end { // etcd would take that for something else; it says whether the revision can be read
		_, err := e.client.Get(ctx, e.restoreKey(), clientv3.WithRev(revision), clientv3.WithCountOnly())
		return revision, translate(err)
	}
	for {
		r, err := e.client.Get(ctx, start, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
		if err != nil {
			return revision, translate(err)
		}
		if revision == 0 {
			revision = r.Header.Revision
		}
		for _, kv := range r.Kvs {
			if !f(e.record(kv)) {
				return revision, nil
			}
			if err := ctx.Err(); err != nil {
				return revision, err
			}
		}
		if !r.More {
			return revision, nil
		}
		start = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}

// span is the keys in [from, to) as etcd has them.
type span struct{ from, to string }

// span gives the engine's keys in [from, to), up to its last one when to is
// empty.
func (e *Engine) span(from, to string) span {
	s := span{e.key(from), clientv3.GetPrefixRangeEnd(e.prefix)}
	if to != "" {
		s.to = e.key(to)
	}
	return s
}

func (e *Engine) everything() span { return e.span("", "") }

func (e *Engine) record(kv *mvccpb.KeyValue) storage.Record {
	return storage.Record{Key: string(kv.Key[len(e.prefix):]), Value: filled(kv.Value, kv.ModRevision), Revision: kv.ModRevision}
}

// Sync waits until the sink has been given everything that was committed
// anywhere before the call: etcd is asked for its newest revision (callers that
// come together share one question), and the stream is awaited up to there. It
// is kube-apiserver's consistent read from cache (KEP-2340).
func (e *Engine) Sync(ctx context.Context) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	revision, err := e.reading.do(ctx, func() (int64, error) {
		ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
		defer cancel()
		r, err := e.client.Get(ctx, e.restoreKey(), clientv3.WithCountOnly())
		if err != nil {
			return 0, translate(err)
		}
		return r.Header.Revision, nil
	})
	if err != nil {
		return err
	}
	return e.arrivals.wait(ctx, &e.revision, revision)
}

// rounds lets callers share a question whose answer must be newer than their
// call: who comes while one is under way gets the answer of the next.
type rounds struct {
	mu      sync.Mutex
	current *round // being asked
	next    *round // asked after it
}

type round struct {
	done     chan struct{}
	revision int64
	err      error
}

func (r *rounds) do(ctx context.Context, ask func() (int64, error)) (int64, error) {
	r.mu.Lock()
	mine := r.next
	if mine == nil {
		mine = &round{done: make(chan struct{})}
		if r.current == nil {
			r.current = mine
			go metrics.Guarded("storage", func() { r.run(ask) })()
		} else {
			r.next = mine
		}
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.revision, mine.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run asks for the current round, and for those that queued up behind it.
func (r *rounds) run(ask func() (int64, error)) {
	for {
		r.mu.Lock()
		now := r.current
		r.mu.Unlock()
		now.err = metrics.Protected("storage", func() (err error) {
			now.revision, err = ask()
			return err
		})
		close(now.done)
		r.mu.Lock()
		r.current, r.next = r.next, nil
		done := r.current == nil
		r.mu.Unlock()
		if done {
			return
		}
	}
}
