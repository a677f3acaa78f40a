package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/storage"
)

// store is an engine with what its sink was given, and shorthands that end the
// test when an engine errs that should not.
type store struct {
	storage.Engine
	t    testing.TB
	open Open

	mu     sync.Mutex // guards events
	events []storage.Event
}

// start opens, loads and starts.
func start(t testing.TB, open Open) *store {
	t.Helper()
	s := &store{t: t, open: open}
	s.reopen()
	t.Cleanup(func() { closeNow(t, s.Engine) }) // the engine of then
	return s
}

// closeAfter closes an engine at the end of the test.
func closeAfter(t testing.TB, e storage.Engine) {
	t.Cleanup(func() { closeNow(t, e) })
}

func closeNow(t testing.TB, e storage.Engine) {
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// reopen closes the engine, if there is one, and opens the store again. The
// events that were seen stay.
func (s *store) reopen() {
	s.t.Helper()
	if s.Engine != nil {
		s.must(s.Close())
	}
	e, err := s.open()
	s.must(err)
	s.Engine = e
	_, err = e.Load(s.t.Context(), func(storage.Record) error { return nil })
	s.must(err)
	s.must(e.Start(s.sink))
}

func (s *store) sink(events []storage.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
}

// seen are the events so far.
func (s *store) seen() []storage.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *store) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// object is JSON as the registry writes it: the revision's digits are a hole of
// the given length.
func object(data string, digits int) ([]byte, storage.Hole) {
	head := `{"kind":"ConfigMap","metadata":{"name":"x","resourceVersion":"`
	value := head + strings.Repeat("0", digits) + `"},"data":` + fmt.Sprintf("%q", data) + `}`
	return []byte(value), storage.Hole{Offset: len(head), Len: digits}
}

// objectAt is what object's bytes are once they are stored.
func objectAt(data string, revision int64) string {
	value, hole := object(data, 1)
	value, _ = hole.Splice(value, revision)
	return string(value)
}

// write is a put of data, with a hole for the next revision.
func (s *store) write(key, data string, expected int64) *storage.Write {
	value, hole := object(data, storage.Digits(s.Position().Revision+1))
	return &storage.Write{Key: key, Value: value, Hole: hole, Expected: expected}
}

// put writes data and gives the revision.
func (s *store) put(key, data string, expected int64) int64 {
	s.t.Helper()
	revision, err := s.Commit(s.t.Context(), s.write(key, data, expected))
	s.must(err)
	return revision
}

// remove deletes a key; data is its last state.
func (s *store) remove(key, data string, expected int64) int64 {
	s.t.Helper()
	w := s.write(key, data, expected)
	w.Delete = true
	revision, err := s.Commit(s.t.Context(), w)
	s.must(err)
	return revision
}

// list is the store at a revision as lines "key@revision value".
func (s *store) list(revision int64, from, to string) []string {
	s.t.Helper()
	lines := []string{}
	s.must(s.ListAt(s.t.Context(), revision, from, to, func(r storage.Record) bool {
		lines = append(lines, line(r.Key, r.Revision, string(r.Value)))
		return true
	}))
	return lines
}

// loaded is the store at the newest revision, in the same lines.
func (s *store) loaded() []string {
	s.t.Helper()
	lines := []string{}
	position, err := s.Load(s.t.Context(), func(r storage.Record) error {
		lines = append(lines, line(r.Key, r.Revision, string(r.Value)))
		return nil
	})
	s.must(err)
	if got := s.Position(); position != got {
		s.t.Errorf("Load is at %v, Position at %v", position, got)
	}
	return lines
}

// history are the events after a revision, without attachments.
func (s *store) history(since int64) []storage.Event {
	s.t.Helper()
	events := []storage.Event{}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	s.must(s.History(ctx, since, func(ev storage.Event) error {
		events = append(events, ev)
		return nil
	}))
	return events
}

func line(key string, revision int64, value string) string {
	return fmt.Sprintf("%s@%d %s", key, revision, value)
}

// describe is an event as a line, for comparisons.
func describe(ev storage.Event) string {
	return fmt.Sprintf("%d: %s was %d delete %t %s", ev.Revision, ev.Key, ev.Previous, ev.Delete, ev.Value)
}

func describeAll(events []storage.Event) []string {
	lines := make([]string, len(events))
	for i, ev := range events {
		lines[i] = describe(ev)
	}
	return lines
}

// wantLines compares; it shows a few lines from the first difference on.
func wantLines(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	few := func(lines []string) string {
		return strings.Join(lines[i:min(i+5, len(lines))], "\n     ")
	}
	t.Errorf("%s: %d lines, want %d; from line %d on\ngot  %s\nwant %s", what, len(got), len(want), i, few(got), few(want))
}

// patience is how long an engine may take for one read.
const patience = time.Minute

// background is for goroutines that outlive the test's context.
func background() context.Context { return context.Background() }
