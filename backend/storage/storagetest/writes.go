package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

func testEmpty(t *testing.T, open Open) {
	s := start(t, open)
	if got, want := s.Position(), (storage.Position{Revision: 1}); got != want {
		t.Errorf("an empty store is at %v, want %v", got, want)
	}
	wantLines(t, "load", s.loaded(), nil)
	wantLines(t, "list", s.list(1, "", ""), nil)
	wantLines(t, "history", describeAll(s.history(1)), nil)
	if got := s.put("a", "x", 0); got != 2 {
		t.Errorf("the first write got revision %d, want 2", got)
	}
}

func testNotStarted(t *testing.T, open Open) {
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, e)
	value, hole := object("x", 1)
	if _, err := e.Commit(t.Context(), &storage.Write{Key: "a", Value: value, Hole: hole}); err == nil {
		t.Error("a write before Start was taken")
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		t.Error(err)
	}
}

func testCompareAndSet(t *testing.T, open Open) {
	s := start(t, open)
	conflict := func(w *storage.Write, current int64) {
		t.Helper()
		_, err := s.Commit(t.Context(), w)
		var c *storage.ConflictError
		if !errors.As(err, &c) || !errors.Is(err, storage.ErrConflict) {
			t.Fatalf("got %v, want a ConflictError", err)
		}
		if want := (storage.ConflictError{Key: w.Key, Expected: w.Expected, Current: current}); *c != want {
			t.Errorf("got %+v, want %+v", *c, want)
		}
	}
	remove := func(key string, expected int64) *storage.Write {
		return &storage.Write{Key: key, Expected: expected, Delete: true}
	}
	conflict(s.write("a", "x", 1), 0)
	conflict(remove("a", 1), 0)
	created := s.put("a", "1", 0)
	conflict(s.write("a", "2", 0), created)
	conflict(s.write("a", "2", created+1), created)
	updated := s.put("a", "2", created)
	conflict(s.write("a", "3", created), updated)
	conflict(remove("a", created), updated)
	s.remove("a", "2", updated)
	conflict(s.write("a", "4", updated), 0)
	conflict(remove("a", updated), 0)
	again := s.put("a", "5", 0)
	wantLines(t, "list", s.list(again, "", ""), []string{line("a", again, objectAt("5", again))})
}

func testRefusedTakesNone(t *testing.T, open Open) {
	s := start(t, open)
	first := s.put("a", "1", 0)
	if _, err := s.Commit(t.Context(), s.write("a", "2", 0)); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if got := s.Position().Revision; got != first {
		t.Errorf("a refused write moved the store from %d to %d", first, got)
	}
	if got := s.put("b", "1", 0); got != first+1 {
		t.Errorf("got revision %d after a refused write, want %d", got, first+1)
	}
	if n := len(s.seen()); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func testBrokenWrites(t *testing.T, open Open) {
	s := start(t, open)
	refused := func(what string, w storage.Write) {
		t.Helper()
		if _, err := s.Commit(t.Context(), &w); err == nil || errors.Is(err, storage.ErrConflict) {
			t.Errorf("%s: got %v, want another error", what, err)
		}
	}
	value := []byte(`{}`)
	refused("no key", storage.Write{Value: value})
	refused("a long key", storage.Write{Key: strings.Repeat("k", storage.MaxKey+1), Value: value})
	refused("a hole past the end", storage.Write{Key: "a", Value: value, Hole: storage.Hole{Offset: 1, Len: 2}})
	refused("a hole before the start", storage.Write{Key: "a", Value: value, Hole: storage.Hole{Offset: -1, Len: 1}})
	refused("a hole of negative length", storage.Write{Key: "a", Value: value, Hole: storage.Hole{Offset: 1, Len: -1}})
	refused("a negative revision", storage.Write{Key: "a", Value: value, Expected: -1})
	refused("a delete of nothing", storage.Write{Key: "a", Value: value, Delete: true})
	if n := len(s.seen()); n != 0 {
		t.Errorf("%d events of refused writes", n)
	}
	_, err := s.Commit(t.Context(), &storage.Write{Key: "a", Value: make([]byte, storage.MaxValue+1)})
	if !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("got %v for a large value, want ErrTooLarge", err)
	}
}

// testHoles writes over two powers of ten with holes that are too short, right
// and too long.
func testHoles(t *testing.T, open Open) {
	s := start(t, open)
	for s.Position().Revision < 105 {
		next := s.Position().Revision + 1
		digits := int(next % 5)
		value, hole := object("x", digits)
		w := &storage.Write{Key: fmt.Sprintf("k%03d", next), Value: value, Hole: hole}
		revision, err := s.Commit(t.Context(), w)
		s.must(err)
		want := objectAt("x", revision)
		if string(w.Value) != want {
			t.Fatalf("Value after the commit is %s, want %s", w.Value, want)
		}
		if found, ok := storage.FindHole(w.Value); !ok || w.Hole != found {
			t.Fatalf("Hole after the commit is %v, want %v", w.Hole, found)
		}
		events := s.seen()
		if got := events[len(events)-1]; string(got.Value) != want {
			t.Fatalf("the event has %s, want %s", got.Value, want)
		}
	}
	for _, check := range []int64{9, 10, 11, 99, 100, 101} {
		key := fmt.Sprintf("k%03d", check)
		wantLines(t, key, s.list(105, key, key+"\x00"), []string{line(key, check, objectAt("x", check))})
	}
	revision, err := s.Commit(t.Context(), &storage.Write{Key: "none", Value: []byte(`{"a":1}`)})
	s.must(err)
	wantLines(t, "no hole", s.list(revision, "none", ""), []string{line("none", revision, `{"a":1}`)})
}

func testDelete(t *testing.T, open Open) {
	s := start(t, open)
	created := s.put("a", "1", 0)
	shared, hole := object("last", 1)
	before := bytes.Clone(shared)
	w := &storage.Write{Key: "a", Value: shared, Hole: hole, Expected: created, Delete: true, Attachment: "attached"}
	revision, err := s.Commit(t.Context(), w)
	s.must(err)
	if !bytes.Equal(shared, before) {
		t.Errorf("a delete changed the bytes it was given: %s", shared)
	}
	events := s.seen()
	got := events[len(events)-1]
	want := storage.Event{
		Key: "a", Value: []byte(objectAt("last", revision)), Revision: revision, Previous: created, Delete: true,
	}
	wantLines(t, "event", []string{describe(got)}, []string{describe(want)})
	if got.Attachment != "attached" {
		t.Errorf("attachment %v", got.Attachment)
	}
	wantLines(t, "list", s.list(revision, "", ""), nil)
	want.Value = []byte(objectAt("1", revision))
	wantLines(t, "history", describeAll(s.history(created)), []string{describe(want)})
}

// testEventsFirst looks, at each acknowledgement, for the write's own event, and
// in the sink, for the event's revision in the store.
func testEventsFirst(t *testing.T, open Open) {
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, e)
	var mu sync.Mutex
	seen := map[int64]string{}
	last := e.Position().Revision
	sink := func(events []storage.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, ev := range events {
			if ev.Revision != last+1 {
				t.Errorf("event %d after %d", ev.Revision, last)
			}
			last = ev.Revision
			seen[ev.Revision] = ev.Key
		}
		var got string
		err := e.ListAt(background(), last, seen[last], "", func(r storage.Record) bool {
			got = r.Key
			return false
		})
		if err != nil || got != seen[last] {
			t.Errorf("list at %d inside the sink: %q, %v", last, got, err)
		}
	}
	if err := e.Start(sink); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 20 {
				value, hole := object("x", 3)
				key := fmt.Sprintf("%d/%d", i, j)
				revision, err := e.Commit(background(), &storage.Write{Key: key, Value: value, Hole: hole})
				mu.Lock()
				got := seen[revision]
				mu.Unlock()
				if err != nil || got != key {
					t.Errorf("%s was acknowledged at %d (%v), the event there is of %q", key, revision, err, got)
				}
			}
		})
	}
	writers.Wait()
}

func testManyWriters(t *testing.T, open Open) {
	const writers, each = 32, 25
	s := start(t, open)
	var mu sync.Mutex
	var acknowledged []int64
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			last := int64(0)
			for j := range each {
				w := s.write(fmt.Sprintf("k%02d", i), fmt.Sprint(j/5), last)
				w.Delete = j%5 == 4
				revision, err := s.Commit(background(), w)
				if err != nil {
					t.Errorf("writer %d, write %d: %v", i, j, err)
					return
				}
				if last = revision; w.Delete {
					last = 0
				}
				mu.Lock()
				acknowledged = append(acknowledged, revision)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(acknowledged)
	events := s.seen()
	if len(acknowledged) != writers*each || len(events) != writers*each {
		t.Fatalf("%d acknowledgements and %d events, want %d", len(acknowledged), len(events), writers*each)
	}
	for i := range events {
		if want := int64(i + 2); acknowledged[i] != want || events[i].Revision != want {
			t.Fatalf("place %d: acknowledged %d, event %d, want %d", i, acknowledged[i], events[i].Revision, want)
		}
	}
	wantLines(t, "history", describeAll(s.history(1)), describeAll(events))
}

// testCounter lets writers add to one number by compare-and-set.
func testCounter(t *testing.T, open Open) {
	const writers, each = 8, 10
	s := start(t, open)
	s.put("n", "", 0)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for added := 0; added < each; {
				var n string
				var at int64
				err := s.ListAt(background(), s.Position().Revision, "n", "o", func(r storage.Record) bool {
					n, at = data(string(r.Value)), r.Revision
					return false
				})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Commit(background(), s.write("n", n+"+", at))
				if err == nil {
					added++
				} else if !errors.Is(err, storage.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	newest := s.Position().Revision
	want := []string{line("n", newest, objectAt(strings.Repeat("+", writers*each), newest))}
	wantLines(t, "list", s.list(newest, "", ""), want)
}

// data is the data of an object's JSON.
func data(value string) string {
	_, after, _ := strings.Cut(value, `"data":"`)
	return strings.TrimSuffix(after, `"}`)
}

func testContext(t *testing.T, open Open) {
	s := start(t, open)
	s.put("a", "1", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, s.write("b", "1", 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: got %v, want Canceled", err)
	}
	if err := s.ListAt(ctx, 1, "", "", func(storage.Record) bool { return true }); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("an empty list: %v", err)
	}
	err := s.ListAt(ctx, 2, "", "", func(storage.Record) bool { return true })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("list: got %v, want Canceled", err)
	}
	if _, err := s.Load(ctx, func(storage.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("load: got %v, want Canceled", err)
	}
	if err := s.History(ctx, 1, func(storage.Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("history: got %v, want Canceled", err)
	}
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// testLargeValues crosses the length from which an engine may keep values
// elsewhere, many at once.
func testLargeValues(t *testing.T, open Open) {
	s := start(t, open)
	sizes := []int{1<<20 - 200, 1 << 20, 1<<20 + 200, 2 << 20, storage.MaxValue - 1000}
	var wg sync.WaitGroup
	for i, size := range sizes {
		wg.Go(func() {
			w := s.write(fmt.Sprintf("k%d", i), strings.Repeat("x", size), 0)
			if _, err := s.Commit(background(), w); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
		})
	}
	wg.Wait()
	check := func() {
		t.Helper()
		i := 0
		s.must(s.ListAt(t.Context(), s.Position().Revision, "", "", func(r storage.Record) bool {
			if want := objectAt(strings.Repeat("x", sizes[i]), r.Revision); string(r.Value) != want {
				t.Errorf("%s: %d bytes came back, want %d", r.Key, len(r.Value), len(want))
			}
			i++
			return true
		}))
		if i != len(sizes) {
			t.Errorf("%d values, want %d", i, len(sizes))
		}
	}
	check()
	s.reopen()
	check()
}
