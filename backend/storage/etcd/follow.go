package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
	"k8s.io/klog/v2"
)

// How often a broken stream is tried again, and a stream that waits for others'
// revisions is asked where it stands.
const (
	retryPause    = 200 * time.Millisecond
	progressPause = 20 * time.Millisecond
)

// Start follows the cluster's writes from where Load was.
func (e *Engine) Start(sink func([]storage.Event)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	e.started, e.followed = true, make(chan struct{})
	go func() {
		defer close(e.followed)
		metrics.Kept(e.ctx, "storage", func() { e.follow(sink) })()
	}()
	return nil
}

// follow gives the sink all events until the engine is closed, over as many
// watches as that takes. When etcd has compacted what is missing, nothing can
// make the stream whole again: the process ends, and reads the store anew when
// it is started again.
func (e *Engine) follow(sink func([]storage.Event)) {
	for e.ctx.Err() == nil {
		err := e.watch(e.ctx, e.everything(), e.revision.Load()+1, e.arrivals.waiting, e.live, func(events []storage.Event, revision int64) bool {
			for i := range events {
				e.written.Add(int64(len(events[i].Key) + len(events[i].Value)))
			}
			if len(events) == 0 && revision > e.revision.Load() {
				events = []storage.Event{{Revision: revision}} // others' keys: only the revision has moved
			}
			if len(events) > 0 {
				sink(events)
				e.arrived(max(revision, events[len(events)-1].Revision))
			}
			return true
		})
		switch {
		case e.ctx.Err() != nil:
			return
		case errors.Is(err, storage.ErrCompacted):
			klog.ErrorS(err, "etcd has compacted events that this server has not seen: it ends, start it again", "revision", e.revision.Load())
			klog.Flush()
			os.Exit(1)
		}
		klog.ErrorS(err, "The watch of etcd broke; trying again", "revision", e.revision.Load())
		select {
		case <-time.After(retryPause):
		case <-e.ctx.Done():
		}
	}
}

// watch gives f the events of some keys from a revision on, in batches that hold
// all events of their revisions, with the revision that is then complete. It ends
// when f returns false, with nil, or when the watch does. convert makes events of
// etcd's. While impatient is true etcd is asked how far it has come.
func (e *Engine) watch(ctx context.Context, keys span, from int64, impatient func() bool, convert func(*clientv3.Event) storage.Event, f func([]storage.Event, int64) bool) error {
	// A stream of its own: etcd tells no progress to a stream as long as one of
	// its watches is to begin with a revision that is not there yet.
	own := metadata.AppendToOutgoingContext(clientv3.WithRequireLeader(ctx), "watch", strconv.FormatInt(e.watches.Add(1), 10))
	ctx, cancel := context.WithCancel(own)
	defer cancel()
	asked := make(chan struct{})
	responses := e.client.Watch(ctx, keys.from, clientv3.WithRange(keys.to), clientv3.WithRev(from), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	defer func() { cancel(); <-asked }()
	go func() {
		defer metrics.Caught("storage")
		defer close(asked)
		e.askForProgress(ctx, impatient)
	}()
	for r := range responses {
		if r.CompactRevision > 0 {
			return storage.ErrCompacted
		}
		if err := r.Err(); err != nil {
			return translate(err)
		}
		if r.Created {
			continue
		}
		events := make([]storage.Event, 0, len(r.Events))
		for _, ev := range r.Events {
			events = append(events, convert(ev))
		}
		complete := int64(0)
		switch {
		case r.IsProgressNotify():
			complete = r.Header.Revision
		case len(events) > 0:
			complete = events[len(events)-1].Revision
		}
		if !f(events, complete) {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("etcd ended the watch")
}

// askForProgress asks etcd where a stream stands as long as somebody waits for a
// revision: it may be another program's, whose keys are not watched.
func (e *Engine) askForProgress(ctx context.Context, impatient func() bool) {
	tick := time.NewTicker(progressPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if impatient() {
				if err := e.client.RequestProgress(ctx); err != nil && ctx.Err() == nil {
					klog.V(2).InfoS("etcd does not tell its progress", "err", err)
				}
			}
		}
	}
}

// live is a write as etcd tells it, with the attachment of the write of this
// process that it is.
func (e *Engine) live(ev *clientv3.Event) storage.Event {
	key := string(ev.Kv.Key[len(e.prefix):])
	out, stored := told(key, ev)
	if w := e.own(key, out, stored); w != nil {
		return w.Commit(out.Revision)
	}
	out.Value = filled(stored, out.Revision)
	return out
}

// event is a write as etcd tells it.
func (e *Engine) event(ev *clientv3.Event) storage.Event {
	out, stored := told(string(ev.Kv.Key[len(e.prefix):]), ev)
	out.Value = filled(stored, out.Revision)
	return out
}

// told gives an event without its value, and the value as it is stored: before
// the event when that is a delete.
func told(key string, ev *clientv3.Event) (out storage.Event, stored []byte) {
	out = storage.Event{Key: key, Revision: ev.Kv.ModRevision, Delete: ev.Type == mvccpb.DELETE}
	stored = ev.Kv.Value
	if ev.PrevKv != nil {
		out.Previous = ev.PrevKv.ModRevision
		if out.Delete {
			stored = ev.PrevKv.Value
		}
	}
	return out, stored
}

// own finds the write of this process that an event is, nil when it is another
// process's. Of two that are equal byte for byte either will do.
func (e *Engine) own(key string, ev storage.Event, stored []byte) *storage.Write {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, w := range e.inFlight[key] {
		if w.Expected == ev.Previous && w.Delete == ev.Delete && (w.Delete || string(w.Value) == string(stored)) {
			e.inFlight[key] = append(e.inFlight[key][:i:i], e.inFlight[key][i+1:]...)
			return w
		}
	}
	return nil
}

// filled is a stored value with the digits of its revision.
func filled(value []byte, revision int64) []byte {
	hole, ok := storage.FindHole(value)
	if !ok {
		return value
	}
	value, _ = hole.Fill(value, revision)
	return value
}

// arrived tells those who wait that the sink has been given a revision.
func (e *Engine) arrived(revision int64) {
	if revision > e.revision.Load() {
		e.revision.Store(revision)
		e.arrivals.wake()
	}
}

// arrivals are those who wait for a revision.
type arrivals struct {
	mu   sync.Mutex
	n    int           // who wait
	next chan struct{} // closed at the next arrival, nil when nobody waits
}

func (a *arrivals) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n > 0
}

func (a *arrivals) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		close(a.next)
		a.next = nil
	}
}

// wait waits until at is revision or later.
func (a *arrivals) wait(ctx context.Context, at *atomic.Int64, revision int64) error {
	if at.Load() >= revision {
		return nil
	}
	a.mu.Lock()
	a.n++
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.n--
		a.mu.Unlock()
	}()
	for {
		a.mu.Lock()
		if a.next == nil {
			a.next = make(chan struct{})
		}
		next := a.next
		a.mu.Unlock()
		if at.Load() >= revision {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("etcd: wait for revision %d: %w", revision, ctx.Err())
		}
	}
}
