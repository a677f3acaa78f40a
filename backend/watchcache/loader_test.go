package watchcache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pilothouse/backend/storage"
)

// fakeEngine is a store as an engine, as far as Start needs one.
type fakeEngine struct {
	storage.Engine
	*store
	compacted int64
	loadError error
	sink      func([]storage.Event)
}

func (e *fakeEngine) Load(_ context.Context, f func(storage.Record) error) (storage.Position, error) {
	for _, key := range slices.Sorted(maps.Keys(e.objects)) {
		if err := f(e.objects[key]); err != nil {
			return storage.Position{}, err
		}
	}
	return storage.Position{Revision: e.revision, Compacted: e.compacted}, e.loadError
}

func (e *fakeEngine) History(_ context.Context, since int64, f func(storage.Event) error) error {
	for _, ev := range e.log[since:] {
		if err := f(ev); err != nil {
			return err
		}
	}
	return nil
}

func (e *fakeEngine) Start(sink func([]storage.Event)) error {
	e.sink = sink
	return nil
}

func (e *fakeEngine) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	return e.store.ListAt(ctx, revision, from, to, f)
}

func TestStartLoadsEverything(t *testing.T) {
	h := NewHub()
	defer h.Close()
	s := newStore(h)
	e := &fakeEngine{store: s, compacted: 2990}
	for i := range 1000 {
		s.put(fmt.Sprintf("%sns%d/p%d", podPrefix, i%7, i), fmt.Sprint("node", i%5), "a")
		s.put(fmt.Sprintf("core/nodes/n%d", i), "", "")
		s.put(fmt.Sprintf("unknown/things/n%d", i), "", "")
	}
	broken := storage.Record{Key: podPrefix + "ns0/broken", Value: []byte("{"), Revision: 5}
	s.objects[broken.Key] = broken
	pods := h.Add(podConfig())
	nodes := h.Add(Config{Prefix: "core/nodes/", Fields: []string{"node"}, Decode: decode})
	if err := h.Start(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := contents(pods.Snapshot()); !maps.Equal(got, s.at(s.revision, podPrefix)) || pods.Snapshot().Len() != 1000 {
		t.Fatalf("%d pods", len(got))
	}
	if got := contents(nodes.Snapshot()); !maps.Equal(got, s.at(s.revision, "core/nodes/")) {
		t.Fatalf("%d nodes", len(got))
	}
	if n := nodes.Snapshot().Get("n7"); n.Name != "n7" || n.Namespace != "" || n.Revision == 0 {
		t.Fatalf("%+v", n)
	}
	if h.Revision() != 3000 || pods.Snapshot().Revision() != 3000 {
		t.Fatal(h.Revision())
	}
	found := 0
	pods.Snapshot().ByIndex(0, "node3", func(*Object) bool { found++; return true })
	if found != 200 {
		t.Fatalf("%d pods of a node", found)
	}
	w, err := pods.Watch(WatchOptions{From: 2990})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	e.sink([]storage.Event{s.put(podPrefix+"ns0/p0", "node9", "a")})
	settle(t, pods)
	// 10 events of history, every third of a pod, and a live one.
	same(t, drain(t, w), []string{"ADDED ns3/p997 2992 node2", "ADDED ns4/p998 2995 node3", "ADDED ns5/p999 2998 node4", "MODIFIED ns0/p0 3001 node9"})

	// One that is added now reads what is there.
	things := h.Add(Config{Prefix: "unknown/things/", Fields: []string{"node"}, Decode: decode})
	if things.Snapshot().Len() != 1000 {
		t.Fatal(things.Snapshot().Len())
	}
}

func TestStartGivesTheEnginesError(t *testing.T) {
	h := NewHub()
	defer h.Close()
	h.Add(podConfig())
	e := &fakeEngine{store: newStore(h), loadError: storage.ErrClosed}
	if err := h.Start(t.Context(), e); !errors.Is(err, storage.ErrClosed) {
		t.Fatal(err)
	}
}

func TestSharedLabelsAndFields(t *testing.T) {
	h := NewHub()
	defer h.Close()
	c := h.Add(podConfig())
	h.Ready(storage.Position{}, 0, nil)
	s := newStore(h)
	s.apply(s.put(podPrefix+"ns/a", "node", "x"), s.put(podPrefix+"ns/b", "node", "x"), s.put(podPrefix+"ns/c", "node", "y"))
	snapshot := c.Snapshot()
	a, b, other := snapshot.Get("ns/a"), snapshot.Get("ns/b"), snapshot.Get("ns/c")
	if &a.Labels[0] != &b.Labels[0] || &a.Labels[0] == &other.Labels[0] {
		t.Fatal("the same labels are not one copy")
	}
	s.apply(s.put(podPrefix+"ns/a", "node", "x"))
	if now := c.Snapshot().Get("ns/a"); &now.Fields[0] != &a.Fields[0] || now == a {
		t.Fatal("an update does not share its fields")
	}
	for i := range internTable + 10 {
		s.apply(s.put(podPrefix+"ns/a", "node", fmt.Sprint(i)))
	}
	if len(c.intern.labels) > internTable || len(c.intern.strings) > internTable {
		t.Fatal("the tables grow without bound")
	}
}
