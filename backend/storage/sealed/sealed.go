// Package sealed keeps what is stored from being read by whoever has the disk:
// an engine over another one that seals the values of the resources that an
// EncryptionConfiguration names, and opens them on their way back
// (https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/). Keys,
// revisions and sizes stay visible. Read sealed.go, then chain.go; providers.go
// has the ciphers, kms.go the keys that others keep, config.go the file.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// Engine is a storage.Engine over another one. Values with a hole come back with
// the digits of their revision in it, as from any engine.
type Engine struct {
	storage.Engine
	chains atomic.Pointer[Chains]

	mu sync.Mutex // guards labels
	// labels tells with what each live object is sealed, of resources that have
	// a chain and of what is sealed anyway.
	labels map[string]string
}

// Wrap gives an engine that seals what it hands to inner, and what it is told by.
// The engine is a Historian, Sizer, Shared, Expiring and Noting where inner is.
func Wrap(inner storage.Engine, chains *Chains) (storage.Engine, *Engine) {
	e := &Engine{Engine: inner, labels: map[string]string{}}
	e.chains.Store(chains)
	return e.as(inner), e
}

func (e *Engine) as(inner storage.Engine) storage.Engine {
	local, ok := inner.(interface {
		storage.Historian
		storage.Sizer
	})
	if !ok {
		return e
	}
	f := &folder{e, local}
	cluster, ok := inner.(interface {
		storage.Shared
		storage.Expiring
		storage.Noting
	})
	if !ok {
		return f
	}
	return &shared{f, cluster}
}

// Healthy tells what is wrong with the key services.
func (e *Engine) Healthy() error { return e.chains.Load().Healthy() }

// folder is an Engine over one that knows its past and its size.
type folder struct {
	*Engine
	inner interface {
		storage.Historian
		storage.Sizer
	}
}

// Changes gives the events of single keys, opened.
func (f *folder) Changes(ctx context.Context, from, to string, since, until int64, do func(storage.Event) error) error {
	return f.inner.Changes(ctx, from, to, since, until, f.opening(ctx, do))
}

// Written is inner's.
func (f *folder) Written() int64 { return f.inner.Written() }

// Size is inner's.
func (f *folder) Size(ctx context.Context) (int64, error) { return f.inner.Size(ctx) }

// shared is an Engine over one that other processes write too.
type shared struct {
	*folder
	cluster interface {
		storage.Shared
		storage.Expiring
		storage.Noting
	}
}

// Sync is inner's.
func (s *shared) Sync(ctx context.Context) error { return s.cluster.Sync(ctx) }

// Expires tells that inner is Expiring.
func (s *shared) Expires() {}

// Notes are inner's: they are not sealed.
func (s *shared) Notes(ctx context.Context, records []storage.Record) error {
	return s.cluster.Notes(ctx, records)
}

// Load gives the live records, opened. One that no provider opens ends it: a
// server without it would take its name for free.
func (e *Engine) Load(ctx context.Context, f func(storage.Record) error) (storage.Position, error) {
	return e.Engine.Load(ctx, func(r storage.Record) error {
		value, label, err := e.open(ctx, r.Key, r.Value, r.Revision)
		if err != nil {
			return err
		}
		e.note(r.Key, label, false)
		r.Value = value
		return f(r)
	})
}

// Restore fills the store below with sealed values.
func (e *Engine) Restore(ctx context.Context, revision int64, next func() (storage.Record, error)) error {
	inner, ok := e.Engine.(storage.Restorer)
	if !ok {
		return errors.ErrUnsupported
	}
	return inner.Restore(ctx, revision, func() (storage.Record, error) {
		r, err := next()
		if chain := e.chains.Load().of(r.Key); err == nil && chain.seals() {
			r.Value, _, err = chain.seal(ctx, r.Key, r.Value)
		}
		return r, err
	})
}

// History gives the events after a revision, opened.
func (e *Engine) History(ctx context.Context, since int64, f func(storage.Event) error) error {
	return e.Engine.History(ctx, since, e.opening(ctx, f))
}

// opening gives what opens events and hands them on. Those of the past that can
// be opened no more are left out: keys are taken away when nothing that lives
// needs them.
func (e *Engine) opening(ctx context.Context, f func(storage.Event) error) func(storage.Event) error {
	return func(ev storage.Event) error {
		value, _, err := e.open(ctx, ev.Key, ev.Value, ev.Revision)
		if err != nil {
			klog.V(2).InfoS("Left out of the past", "err", err)
			return nil
		}
		ev.Value = value
		return f(ev)
	}
}

// ListAt gives the records of a revision, opened.
func (e *Engine) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	var failed error
	err := e.Engine.ListAt(ctx, revision, from, to, func(r storage.Record) bool {
		if r.Value, _, failed = e.open(ctx, r.Key, r.Value, r.Revision); failed != nil {
			return false
		}
		return f(r)
	})
	return errors.Join(err, failed)
}

// writing goes with a write through the engine below, so that its event has the
// open value.
type writing struct {
	value      []byte
	hole       storage.Hole
	label      string
	attachment any
	told       bool
}

// Commit seals the value of a write, if its resource has a chain.
func (e *Engine) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	chain := e.chains.Load().of(w.Key)
	if !chain.seals() {
		return e.Engine.Commit(ctx, w)
	}
	if err := w.Check(); err != nil {
		return 0, err
	}
	below, of := *w, &writing{value: w.Value, hole: w.Hole, attachment: w.Attachment}
	below.Value, below.Hole, below.Attachment = nil, storage.Hole{}, of
	if !w.Delete {
		var err error
		if below.Value, of.label, err = chain.seal(ctx, w.Key, w.Value); err != nil {
			return 0, err
		}
	}
	revision, err := e.Engine.Commit(ctx, &below)
	if err != nil || w.Delete {
		return revision, err
	}
	if !of.told { // the event came from elsewhere
		of.value, of.hole = of.hole.Fill(of.value, revision)
	}
	w.Value, w.Hole = of.value, of.hole
	return revision, nil
}

// Start begins to take writes; sink gets open values.
func (e *Engine) Start(sink func([]storage.Event)) error {
	return e.Engine.Start(func(events []storage.Event) {
		for i := range events {
			e.told(&events[i])
		}
		sink(events)
	})
}

// told makes an event of the engine below one of this.
func (e *Engine) told(ev *storage.Event) {
	if ev.Key == "" {
		return
	}
	of, own := ev.Attachment.(*writing)
	switch {
	case own && ev.Delete:
		ev.Value, _ = of.hole.Splice(of.value, ev.Revision)
	case own:
		of.value, of.hole = of.hole.Fill(of.value, ev.Revision)
		of.told = true
		ev.Value = of.value
	default:
		value, label, err := e.open(context.Background(), ev.Key, ev.Value, ev.Revision)
		if err != nil {
			// The caches say that they cannot read it, too.
			klog.ErrorS(err, "A value that another server has sealed cannot be opened: give all servers a key before one writes with it")
			return
		}
		ev.Value = value
		e.note(ev.Key, label, ev.Delete)
		return
	}
	ev.Attachment = of.attachment
	e.note(ev.Key, of.label, ev.Delete)
}

// open opens a value of the engine below.
func (e *Engine) open(ctx context.Context, key string, value []byte, revision int64) (plain []byte, label string, err error) {
	chain := e.chains.Load().of(key)
	if chain == nil && !isSealed(value) {
		return value, "", nil
	}
	plain, label, err = chain.open(ctx, key, value)
	if err != nil {
		return nil, "", fmt.Errorf("open %s of revision %d: %w", key, revision, err)
	}
	if !isSealed(value) {
		return plain, label, nil // its digits are those of the engine below
	}
	if hole, ok := storage.FindHole(plain); ok {
		plain, _ = hole.Fill(plain, revision)
	}
	return plain, label, nil
}

// note keeps with what an object is sealed; "" is of one in no chain.
func (e *Engine) note(key, label string, gone bool) {
	if label == "" && !gone || e.chains.Load() == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if gone {
		delete(e.labels, key)
		return
	}
	e.labels[key] = label
}

// Old tells whether an object is sealed with something else than new ones are.
func (e *Engine) Old(key string) bool {
	if e.chains.Load() == nil {
		return false
	}
	e.mu.Lock()
	label := e.labels[key]
	e.mu.Unlock()
	chain := e.chains.Load().of(key)
	return label != "" && label != chain.label()
}

// Use takes other chains. They are refused when a live object could not be
// opened with them.
func (e *Engine) Use(chains *Chains) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	missing, example := 0, ""
	for key, label := range e.labels {
		if !chains.of(key).opens(label) {
			missing++
			example = fmt.Sprintf("%s, sealed with %s", key, label)
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d objects could not be opened any more, such as %s", missing, example)
	}
	e.chains.Store(chains)
	return nil
}
