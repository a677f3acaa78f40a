package watchcache

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"pilothouse/backend/storage"
	"pilothouse/backend/storage/memory"
)

// Over a real engine: writers read what they wrote, and after a restart a
// watcher goes on where it was.
func TestOverAnEngine(t *testing.T) {
	store := memory.NewStore()
	engine, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	h := NewHub()
	c := h.Add(podConfig())
	if err := h.Start(t.Context(), engine); err != nil {
		t.Fatal(err)
	}
	from := c.Snapshot().Revision()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			var revision int64
			for n := range 100 {
				key := fmt.Sprintf("ns/p%d", i)
				w := storage.Write{Key: podPrefix + key, Value: encode("p", 0, "", fmt.Sprint(n)), Expected: revision}
				committed, err := engine.Commit(t.Context(), &w)
				if err != nil {
					t.Error(err)
					return
				}
				revision = committed
				if o := c.Snapshot().Get(key); o == nil || o.Revision != revision || o.Labels.Get("app") != fmt.Sprint(n) {
					t.Errorf("the write at %d is not there: %+v", revision, o)
				}
			}
		})
	}
	wg.Wait()
	w, err := c.Watch(WatchOptions{From: from})
	if err != nil {
		t.Fatal(err)
	}
	seen := drain(t, w)
	state := contents(c.Snapshot())
	w.Close()
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if _, err := c.Watch(WatchOptions{From: from}); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}

	if engine, err = store.Open(); err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	h = NewHub()
	defer h.Close()
	c = h.Add(podConfig())
	if err := h.Start(t.Context(), engine); err != nil {
		t.Fatal(err)
	}
	if got := contents(c.Snapshot()); !maps.Equal(got, state) || len(got) != 4 {
		t.Fatal("another state after the restart")
	}
	if w, err = c.Watch(WatchOptions{From: from}); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	same(t, drain(t, w), seen)
	if len(seen) != 400 {
		t.Fatal(len(seen))
	}
}
