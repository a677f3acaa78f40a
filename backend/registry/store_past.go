package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// noise are resources whose every change only says that somebody is alive, or
// that something happened.
var noise = map[schema.GroupResource]bool{
	{Group: "coordination.k8s.io", Resource: "leases"}: true, {Resource: "events"}: true, {Group: "events.k8s.io", Resource: "events"}: true,
}

// Noise tells resources whose changes are told of only when they are asked for by
// name, and of which nobody keeps who made them.
func Noise(r schema.GroupResource) bool { return noise[r] }

// Change is one write of the past.
type Change struct {
	// Key is the storage's.
	Key      string
	Revision int64
	// Object is the state after the write, after a delete the last state; Before
	// that before it, nil when the write created the object. Both are shared.
	Object, Before *watchcache.Object
	Delete         bool
}

// PastOptions select changes.
type PastOptions struct {
	// Namespace and Name select objects; empty ones all.
	Namespace, Name string
	// Since and Until bound the revisions: after Since, up to Until. A Since that
	// is compacted means as far back as there is something; 0 for Until is now.
	Since, Until int64
	// Limit is how many changes are given, the newest; 0 is no limit.
	Limit int
}

// Past are changes, the newest first.
type Past struct {
	Changes []Change
	// Since is how far back they go.
	Since int64
	// More tells that the limit left older ones out.
	More bool
}

// ErrNoPast tells that the engine cannot tell about the past.
var ErrNoPast = apierrors.NewMethodNotSupported(schema.GroupResource{}, "history")

// Past gives what became of objects, as far as storage still knows.
func (s *Store) Past(ctx context.Context, o PastOptions) (*Past, error) {
	h, ok := s.engine.(storage.Historian)
	if !ok {
		return nil, ErrNoPast
	}
	from, to, err := s.span(o.Namespace, o.Name)
	if err != nil {
		return nil, err
	}
	for {
		position := s.engine.Position()
		out := &Past{Since: max(o.Since, position.Compacted, s.floor.Load())}
		until := position.Revision
		if o.Until > 0 {
			until = min(until, o.Until)
		}
		if until <= out.Since || !s.cache.ChangedSince(out.Since) {
			return out, nil
		}
		err := s.collectPast(ctx, h, from, to, until, o.Limit, out)
		if errors.Is(err, storage.ErrCompacted) {
			continue // just now: look again, less far back
		}
		if err != nil {
			return nil, storageError(err)
		}
		return out, nil
	}
}

// span gives the storage keys of an object, a namespace, or all objects.
func (s *Store) span(namespace, name string) (from, to string, err error) {
	if name != "" {
		key, err := s.key(namespace, name)
		if err != nil {
			return "", "", err
		}
		return s.prefix + key, s.prefix + key + "\x00", nil
	}
	prefix := s.prefix
	if namespace != "" && s.resource.Namespaced {
		prefix += namespace + "/"
	}
	return prefix, storage.PrefixEnd(prefix), nil
}

// collectPast gathers changes. The states before the oldest of each key are read
// once the keys are known.
func (s *Store) collectPast(ctx context.Context, h storage.Historian, from, to string, until int64, limit int, out *Past) error {
	var events []storage.Event
	began := time.Now()
	err := h.Changes(ctx, from, to, out.Since, until, func(ev storage.Event) error {
		events = append(events, ev)
		if limit > 0 && len(events) > 4*limit { // do not gather all of a busy day
			events = newest(events, limit+1)
			out.More = true
		}
		return nil
	})
	s.calls.Called(metrics.StorageHistory, began, err)
	if err != nil {
		return err
	}
	events = newest(events, 0)
	if limit > 0 && len(events) > limit {
		events, out.More = events[:limit], true
	}
	states := map[int64]*watchcache.Object{}
	for _, ev := range events {
		if !ev.Delete {
			states[ev.Revision] = s.stateOf(ev)
		}
	}
	for _, ev := range events {
		c := Change{Key: ev.Key, Revision: ev.Revision, Delete: ev.Delete, Object: states[ev.Revision]}
		if ev.Previous > 0 {
			if c.Before, err = s.stateBefore(ctx, ev, states, out.Since); err != nil {
				return err
			}
		}
		if ev.Delete {
			c.Object = s.stateOf(ev)
		}
		if c.Object != nil {
			out.Changes = append(out.Changes, c)
		}
	}
	return nil
}

// newest sorts events, the newest first, and keeps n of them; 0 keeps all.
func newest(events []storage.Event, n int) []storage.Event {
	slices.SortFunc(events, func(a, b storage.Event) int { return int(b.Revision - a.Revision) })
	if n > 0 && len(events) > n {
		events = events[:n]
	}
	return events
}

// stateOf is the object that an event carries, nil when it cannot be read any
// more: then it was of a custom resource that is different now.
func (s *Store) stateOf(ev storage.Event) *watchcache.Object {
	o, err := s.readRecord(storage.Record{Key: ev.Key, Value: ev.Value, Revision: ev.Revision})
	if err != nil {
		return nil
	}
	return o
}

// stateBefore is the object that an event replaced.
func (s *Store) stateBefore(ctx context.Context, ev storage.Event, states map[int64]*watchcache.Object, since int64) (*watchcache.Object, error) {
	if o := states[ev.Previous]; o != nil {
		return o, nil
	}
	at := max(ev.Previous, since) // the version of Previous, whose own revision may be compacted
	return s.stored(ctx, ev.Key[len(s.prefix):], at)
}
