package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

// SeedVariable names the environment variable that makes Metamorphic repeat a
// run; StepsVariable how many operations one run has.
const (
	SeedVariable  = "PILOTHOUSE_STORAGE_SEED"
	StepsVariable = "PILOTHOUSE_STORAGE_STEPS"
)

const defaultSteps = 300

// Metamorphic does random operations on an engine and on a plain model and
// compares every answer. A failure prints the line that repeats the run; the
// operations are the same then, but those of one batch run at the same time
// and may be ordered differently.
func Metamorphic(t *testing.T, newStore NewStore) {
	seed := uint64(number(t, SeedVariable, int(rand.Uint32())))
	steps := number(t, StepsVariable, defaultSteps)
	r := &run{store: start(t, newStore(t)), rand: rand.New(rand.NewPCG(seed, 0)), model: newModel()}
	defer func() {
		if t.Failed() {
			t.Logf("the last operations:\n  %s", strings.Join(r.done, "\n  "))
			t.Logf("replay: %s=%d %s=%d go test -count=1 -run '^%s$' .", SeedVariable, seed, StepsVariable, steps, t.Name())
		}
	}()
	for step := 0; step < steps && !t.Failed(); step++ {
		r.step()
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// run is one engine and one model that are to agree.
type run struct {
	*store
	rand  *rand.Rand
	model *model
	done  []string // the last operations
}

func (r *run) step() {
	switch n := r.rand.IntN(100); {
	case n < 60:
		r.writes()
	case n < 75:
		r.lists()
	case n < 85:
		r.histories()
	case n < 90:
		r.note("load")
		wantLines(r.t, "load", r.loaded(), r.model.list(r.model.newest, "", ""))
	case n < 95:
		r.compacts()
	default:
		r.note("reopen")
		r.reopen()
	}
	if got := r.Position(); got != (storage.Position{Revision: r.model.newest, Compacted: r.model.compacted}) {
		r.t.Errorf("the store is at %v, the model at %d, compacted %d", got, r.model.newest, r.model.compacted)
	}
}

func (r *run) note(format string, args ...any) {
	if len(r.done) == 40 {
		r.done = slices.Delete(r.done, 0, 1)
	}
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

// writes does some writes of different keys at once, wrong ones among them.
func (r *run) writes() {
	var batch []*storage.Write
	for range 1 + r.rand.IntN(8)*r.rand.IntN(2) {
		if w := r.randomWrite(); !slices.ContainsFunc(batch, func(o *storage.Write) bool { return o.Key == w.Key }) {
			batch = append(batch, w)
			r.note("write %s at %d delete %t, %d bytes", w.Key, w.Expected, w.Delete, len(w.Value))
		}
	}
	before := len(r.seen())
	revisions := make([]int64, len(batch))
	errs := make([]error, len(batch))
	var wg sync.WaitGroup
	for i, w := range batch {
		wg.Go(func() { revisions[i], errs[i] = r.Commit(background(), w) })
	}
	wg.Wait()
	events := r.seen()[before:]
	accepted := 0
	for i, w := range batch {
		accepted += r.check(w, revisions[i], errs[i], events)
	}
	if accepted != len(events) {
		r.t.Errorf("%d writes were taken, %d events came", accepted, len(events))
	}
	for _, ev := range events {
		r.model.apply(r.t, ev)
	}
}

// check compares a write's answer with the model before it; it is 1 for a write
// that was rightly taken.
func (r *run) check(w *storage.Write, revision int64, err error, events []storage.Event) int {
	current := r.model.current(w.Key)
	if current != w.Expected {
		want := storage.ConflictError{Key: w.Key, Expected: w.Expected, Current: current}
		var got *storage.ConflictError
		if !errors.As(err, &got) || *got != want {
			r.t.Errorf("write of %s: got %v, want %v", w.Key, err, &want)
		}
		return 0
	}
	i := slices.IndexFunc(events, func(ev storage.Event) bool { return ev.Revision == revision && ev.Key == w.Key })
	if err != nil || i < 0 {
		r.t.Errorf("write of %s at %d: revision %d, %v, event %d of %d", w.Key, w.Expected, revision, err, i, len(events))
		return 0
	}
	return 1
}

func (r *run) randomWrite() *storage.Write {
	key := fmt.Sprintf("g/r/ns%d/%c", r.rand.IntN(3), 'a'+r.rand.IntN(8))
	expected := r.model.current(key)
	if r.rand.IntN(10) == 0 {
		expected = max(0, expected+int64(r.rand.IntN(5))-2)
	}
	size := r.rand.IntN(50)
	if r.rand.IntN(200) == 0 {
		size = 1<<20 + r.rand.IntN(1000)
	}
	value, hole := object(strings.Repeat("y", size), r.rand.IntN(5))
	return &storage.Write{
		Key: key, Value: value, Hole: hole, Expected: expected, Delete: expected > 0 && r.rand.IntN(3) == 0,
	}
}

// anyRevision is mostly one that exists; the ends are not far either.
func (r *run) anyRevision() int64 {
	from := max(0, r.model.compacted-2)
	return from + r.rand.Int64N(r.model.newest+3-from)
}

// wantError is what a read at a revision has to give.
func (r *run) wantError(revision int64) error {
	switch {
	case revision < r.model.compacted:
		return storage.ErrCompacted
	case revision > r.model.newest:
		return storage.ErrFuture
	}
	return nil
}

var bounds = []string{"", "g/r/ns0/", "g/r/ns1/", "g/r/ns1/c", "g/r/ns2/", "z"}

func (r *run) lists() {
	from, to := bounds[r.rand.IntN(len(bounds))], bounds[r.rand.IntN(len(bounds))]
	revision := r.anyRevision()
	r.note("list at %d from %q to %q", revision, from, to)
	got := []string{}
	err := r.ListAt(background(), revision, from, to, func(rec storage.Record) bool {
		got = append(got, line(rec.Key, rec.Revision, string(rec.Value)))
		return true
	})
	if want := r.wantError(revision); !errors.Is(err, want) {
		r.t.Errorf("list at %d: got %v, want %v", revision, err, want)
	} else if want == nil {
		wantLines(r.t, "list", got, r.model.list(revision, from, to))
	}
}

func (r *run) histories() {
	since := r.anyRevision()
	r.note("history since %d", since)
	got := []string{}
	ctx, cancel := context.WithTimeout(background(), patience)
	defer cancel()
	err := r.History(ctx, since, func(ev storage.Event) error {
		got = append(got, describe(ev))
		return nil
	})
	if want := r.wantError(since); !errors.Is(err, want) {
		r.t.Errorf("history since %d: got %v, want %v", since, err, want)
	} else if want == nil {
		wantLines(r.t, "history", got, r.model.history(since))
	}
	r.changes(since)
}

// changes compares what an engine that can tell says of some keys with the
// history of all.
func (r *run) changes(since int64) {
	h, ok := r.Engine.(storage.Historian)
	if !ok || since > r.model.newest {
		return
	}
	from, to := bounds[r.rand.IntN(len(bounds))], bounds[r.rand.IntN(len(bounds))]
	until := since + r.rand.Int64N(r.model.newest-since+1)
	r.note("changes in (%d, %d] from %q to %q", since, until, from, to)
	var got []storage.Event
	ctx, cancel := context.WithTimeout(background(), patience)
	defer cancel()
	err := h.Changes(ctx, from, to, since, until, func(ev storage.Event) error {
		if n := len(got); n > 0 && (got[n-1].Key > ev.Key || got[n-1].Key == ev.Key && got[n-1].Revision <= ev.Revision) {
			r.t.Errorf("changes of %s at %d come after those of %s at %d", ev.Key, ev.Revision, got[n-1].Key, got[n-1].Revision)
		}
		got = append(got, ev)
		return nil
	})
	if want := r.wantError(since); !errors.Is(err, want) {
		r.t.Errorf("changes since %d: got %v, want %v", since, err, want)
		return
	} else if want != nil {
		return
	}
	slices.SortFunc(got, func(a, b storage.Event) int { return int(a.Revision - b.Revision) })
	var want []storage.Event
	for _, ev := range r.model.events {
		if ev.Revision > since && ev.Revision <= until && ev.Key >= from && (to == "" || ev.Key < to) {
			want = append(want, ev)
		}
	}
	wantLines(r.t, "changes", describeAll(got), describeAll(want))
}

func (r *run) compacts() {
	revision := r.anyRevision()
	r.note("compact %d", revision)
	err := r.Compact(background(), revision)
	if revision > r.model.newest {
		if !errors.Is(err, storage.ErrFuture) {
			r.t.Errorf("compact %d: got %v, want ErrFuture", revision, err)
		}
		return
	}
	r.must(err)
	if revision > storage.FirstRevision {
		r.model.compacted = max(r.model.compacted, revision)
	}
}
