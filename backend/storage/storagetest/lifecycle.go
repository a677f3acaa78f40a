package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pilothouse/backend/storage"
)

func testCompaction(t *testing.T, open Open) {
	s := start(t, open)
	a := s.put("a", "1", 0)
	b := s.put("b", "1", 0)
	a = s.put("a", "2", a)
	s.remove("b", "1", b)
	middle := s.Position().Revision
	s.put("a", "3", a)
	s.put("b", "2", 0)
	events := describeAll(s.seen())
	s.must(s.Compact(t.Context(), middle))

	readable := func(revision int64, want bool) {
		t.Helper()
		list := s.ListAt(t.Context(), revision, "", "", func(storage.Record) bool { return true })
		history := s.History(t.Context(), revision, func(storage.Event) error { return nil })
		for what, err := range map[string]error{"list": list, "history": history} {
			if want && err != nil || !want && !errors.Is(err, storage.ErrCompacted) {
				t.Errorf("%s at %d: %v", what, revision, err)
			}
		}
	}
	check := func() {
		t.Helper()
		if got := s.Position().Compacted; got != middle {
			t.Errorf("the compacted revision is %d, want %d", got, middle)
		}
		readable(0, false)
		readable(middle-1, false)
		readable(middle, true)
		readable(s.Position().Revision, true)
		wantLines(t, "list at the compacted revision", s.list(middle, "", ""), []string{line("a", a, objectAt("2", a))})
		wantLines(t, "history since the compacted revision", describeAll(s.history(middle)), events[middle-1:])
	}
	check()
	s.must(s.Compact(t.Context(), middle))
	s.must(s.Compact(t.Context(), middle-1))
	check()
	if err := s.Compact(t.Context(), s.Position().Revision+1); !errors.Is(err, storage.ErrFuture) {
		t.Errorf("compacting the future: got %v, want ErrFuture", err)
	}
	check()
	s.reopen()
	check()
}

func testCompactNewest(t *testing.T, open Open) {
	s := start(t, open)
	a := s.put("a", "1", 0)
	a = s.put("a", "2", a)
	s.must(s.Compact(t.Context(), a))
	wantLines(t, "list", s.list(a, "", ""), []string{line("a", a, objectAt("2", a))})
	if err := s.ListAt(t.Context(), a-1, "", "", nil); !errors.Is(err, storage.ErrCompacted) {
		t.Errorf("below the compacted revision: got %v", err)
	}
	wantLines(t, "history", describeAll(s.history(a)), nil)
	b := s.put("b", "1", 0)
	wantLines(t, "list", s.list(b, "b", ""), []string{line("b", b, objectAt("1", b))})
}

func testReopen(t *testing.T, open Open) {
	s := start(t, open)
	var want []string
	last := map[string]int64{}
	for round := range 3 {
		for i := range 20 {
			key := fmt.Sprintf("k%02d", i)
			last[key] = s.put(key, fmt.Sprint(round), last[key])
		}
		position := s.Position()
		s.reopen()
		if got := s.Position(); got != position {
			t.Fatalf("reopened at %v, closed at %v", got, position)
		}
	}
	for i := range 20 {
		key := fmt.Sprintf("k%02d", i)
		want = append(want, line(key, last[key], objectAt("2", last[key])))
	}
	wantLines(t, "load", s.loaded(), want)
	wantLines(t, "history", describeAll(s.history(1)), describeAll(s.seen()))
}

// testReopenAfterDelete is the case in which Badger forgets its newest version.
func testReopenAfterDelete(t *testing.T, open Open) {
	s := start(t, open)
	for range 3 {
		s.remove("a", "1", s.put("a", "1", 0))
		newest := s.Position().Revision
		s.must(s.Compact(t.Context(), newest))
		s.reopen()
		if got := s.Position(); got != (storage.Position{Revision: newest, Compacted: newest}) {
			t.Fatalf("reopened at %v, want %d", got, newest)
		}
		wantLines(t, "load", s.loaded(), nil)
	}
}

func testClose(t *testing.T, open Open) {
	s := start(t, open)
	s.put("a", "1", 0)
	s.must(s.Close())
	s.must(s.Close())
	closed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("%s after close: got %v, want ErrClosed", what, err)
		}
	}
	_, err := s.Commit(t.Context(), &storage.Write{Key: "b", Value: []byte("{}")})
	closed("commit", err)
	_, err = s.Load(t.Context(), func(storage.Record) error { return nil })
	closed("load", err)
	closed("list", s.ListAt(t.Context(), 1, "", "", nil))
	closed("history", s.History(t.Context(), 1, nil))
	closed("compact", s.Compact(t.Context(), 2))
	closed("start", s.Start(func([]storage.Event) {}))
}

// testCloseWhileWriting closes under writers and readers: what was acknowledged
// is there afterwards, and the rest was told that the store is closed.
func testCloseWhileWriting(t *testing.T, open Open) {
	s := start(t, open)
	var acknowledged, written atomic.Int64
	var wg sync.WaitGroup
	begun := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ; j++ {
				revision, err := s.Commit(background(), s.write(fmt.Sprintf("%d/%d", i, j), "x", 0))
				if errors.Is(err, storage.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				for old := acknowledged.Load(); old < revision && !acknowledged.CompareAndSwap(old, revision); {
					old = acknowledged.Load()
				}
				if written.Add(1) == 50 {
					close(begun)
				}
			}
		})
	}
	wg.Go(func() {
		for {
			err := s.ListAt(background(), s.Position().Revision, "", "", func(storage.Record) bool { return true })
			if errors.Is(err, storage.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	<-begun
	s.must(s.Close())
	wg.Wait()
	s.reopen()
	if got := s.Position().Revision; got != acknowledged.Load() || got != written.Load()+1 {
		t.Errorf("reopened at %d; %d was the last of %d acknowledged", got, acknowledged.Load(), written.Load())
	}
}

// testSecond opens the store while it is in use: it is locked, or it is shared
// and both see each other's writes.
func testSecond(t *testing.T, open Open) {
	s := start(t, open)
	if shared, ok := s.Engine.(storage.Shared); ok {
		testShared(t, s, shared, open)
		return
	}
	if e, err := open(); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("a second engine: got %v, want ErrLocked", err)
		if err == nil {
			closeAfter(t, e)
		}
	}
	s.put("a", "1", 0)
	s.reopen()
}

// testShared lets two engines write to one store at once: each is given the
// same events in the same order, and after Sync all of them.
func testShared(t *testing.T, s *store, first storage.Shared, open Open) {
	other := start(t, open)
	second := other.Engine.(storage.Shared)
	const writes = 100
	var wg sync.WaitGroup
	for who, from := range []*store{s, other} {
		wg.Go(func() {
			for i := range writes {
				w := from.write(fmt.Sprintf("%d/%03d", who, i), "x", 0)
				w.Attachment = who
				if _, err := from.Commit(background(), w); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	s.must(first.Sync(t.Context()))
	s.must(second.Sync(t.Context()))
	if got := len(s.seen()); got != 2*writes {
		t.Errorf("%d events of %d writes", got, 2*writes)
	}
	wantLines(t, "events", describeAll(s.seen()), describeAll(other.seen()))
	for who, at := range []*store{s, other} {
		for _, ev := range at.seen() {
			if own := ev.Key[0] == byte('0'+who); own != (ev.Attachment == who) {
				t.Fatalf("%s has the attachment %v at %d", ev.Key, ev.Attachment, who)
			}
		}
	}
	created := other.put("again", "1", 0)
	if _, err := s.Commit(t.Context(), s.write("again", "2", 0)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("over the other's write: %v", err)
	}
	s.put("again", "2", created)
	other.must(second.Sync(t.Context()))
	wantLines(t, "the other's store", other.loaded(), s.loaded())
}
