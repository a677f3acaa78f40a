package storagetest

import (
	"errors"
	"testing"

	"pilothouse/backend/storage"
)

func testLoad(t *testing.T, open Open) {
	s := start(t, open)
	b := s.put("b", "1", 0)
	a := s.put("a/x", "2", 0)
	gone := s.put("c", "3", 0)
	s.remove("c", "3", gone)
	c := s.put("a.x", "4", 0)
	want := []string{line("a.x", c, objectAt("4", c)), line("a/x", a, objectAt("2", a)), line("b", b, objectAt("1", b))}
	wantLines(t, "load", s.loaded(), want)
	s.reopen()
	wantLines(t, "load after reopen", s.loaded(), want)
}

func testCallbackErrors(t *testing.T, open Open) {
	s := start(t, open)
	s.put("a", "1", 0)
	s.put("b", "2", 0)
	stop := errors.New("stop")
	calls := 0
	if _, err := s.Load(t.Context(), func(storage.Record) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("load: %v after %d calls", err, calls)
	}
	calls = 0
	if err := s.History(t.Context(), 1, func(storage.Event) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("history: %v after %d calls", err, calls)
	}
	calls = 0
	if err := s.ListAt(t.Context(), 3, "", "", func(storage.Record) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("list: %v after %d calls", err, calls)
	}
}

func testListAt(t *testing.T, open Open) {
	s := start(t, open)
	at := map[int64][]string{1: nil}
	a1 := s.put("a", "1", 0)
	at[a1] = []string{line("a", a1, objectAt("1", a1))}
	b := s.put("b", "1", 0)
	at[b] = []string{line("a", a1, objectAt("1", a1)), line("b", b, objectAt("1", b))}
	a2 := s.put("a", "2", a1)
	at[a2] = []string{line("a", a2, objectAt("2", a2)), line("b", b, objectAt("1", b))}
	d := s.remove("a", "2", a2)
	at[d] = []string{line("b", b, objectAt("1", b))}
	a3 := s.put("a", "3", 0)
	at[a3] = []string{line("a", a3, objectAt("3", a3)), line("b", b, objectAt("1", b))}
	check := func() {
		t.Helper()
		for revision, want := range at {
			wantLines(t, "list", s.list(revision, "", ""), want)
		}
		if err := s.ListAt(t.Context(), a3+1, "", "", nil); !errors.Is(err, storage.ErrFuture) {
			t.Errorf("above the newest: got %v, want ErrFuture", err)
		}
	}
	check()
	s.reopen()
	check()
}

func testListBounds(t *testing.T, open Open) {
	s := start(t, open)
	keys := []string{"core/pods/a/x", "core/pods/a/y", "core/pods/b/x", "core/podtemplates/a/x", "core/secrets/a/x"}
	for _, key := range keys {
		s.put(key, "1", 0)
	}
	list := func(from, to string, want ...string) {
		t.Helper()
		got := []string{}
		s.must(s.ListAt(t.Context(), s.Position().Revision, from, to, func(r storage.Record) bool {
			got = append(got, r.Key)
			return true
		}))
		wantLines(t, "from "+from+" to "+to, got, want)
	}
	list("", "", keys...)
	list("core/pods/", storage.PrefixEnd("core/pods/"), keys[:3]...)
	list("core/pods/a/", storage.PrefixEnd("core/pods/a/"), keys[:2]...)
	list("core/pods/a/y", "", keys[1:]...)
	list("core/pods/a/y\x00", "core/pods/b/x")
	list("z", "")
	list("b", "a")
}

func testHistory(t *testing.T, open Open) {
	s := start(t, open)
	s.must(s.Compact(t.Context(), storage.FirstRevision))
	wantLines(t, "history of an empty store", describeAll(s.history(0)), []string{})
	a := s.put("a", "1", 0)
	b := s.put("b", "1", 0)
	s.put("a", "2", a)
	s.remove("b", "1", b)
	s.put("c", "1", 0)
	all := describeAll(s.seen())
	check := func() {
		t.Helper()
		for since := int64(1); since <= s.Position().Revision; since++ {
			wantLines(t, "history", describeAll(s.history(since)), all[since-1:])
		}
		err := s.History(t.Context(), s.Position().Revision+1, func(storage.Event) error { return nil })
		if !errors.Is(err, storage.ErrFuture) {
			t.Errorf("after a revision that is not there: got %v, want ErrFuture", err)
		}
	}
	check()
	s.reopen()
	check()
	s.put("d", "1", 0)
	all = describeAll(s.seen())
	check()
}

func testHistoryRecreated(t *testing.T, open Open) {
	s := start(t, open)
	for i := range 4 {
		n := string(rune('0' + i))
		created := s.put("a", n, 0)
		s.remove("a", n, s.put("a", n, created))
	}
	all := describeAll(s.seen())
	for since := int64(1); since <= s.Position().Revision; since++ {
		wantLines(t, "history", describeAll(s.history(since)), all[since-1:])
	}
}
