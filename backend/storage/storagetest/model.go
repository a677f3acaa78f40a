package storagetest

import (
	"slices"
	"strconv"
	"testing"

	"pilothouse/backend/storage"
)

// model is what an engine should do, as a list of all events. It is slow and
// forgets nothing.
type model struct {
	events            []storage.Event
	newest, compacted int64
}

func newModel() *model { return &model{newest: 1} }

// current is the revision that a key is at, 0 when it does not exist.
func (m *model) current(key string) int64 {
	for i := len(m.events) - 1; i >= 0; i-- {
		if ev := &m.events[i]; ev.Key == key {
			if ev.Delete {
				return 0
			}
			return ev.Revision
		}
	}
	return 0
}

// apply takes an engine's event, which has to be the next one.
func (m *model) apply(t testing.TB, ev storage.Event) {
	t.Helper()
	if ev.Revision != m.newest+1 || ev.Previous != m.current(ev.Key) {
		t.Errorf("event %s after revision %d, with the key at %d", describe(ev), m.newest, m.current(ev.Key))
	}
	if hole, ok := storage.FindHole(ev.Value); !ok || string(ev.Value[hole.Offset:hole.Offset+hole.Len]) != digits(ev.Revision) {
		t.Errorf("the value of event %s has another revision", describe(ev))
	}
	if ev.Delete {
		ev.Value = m.last(ev)
	}
	m.newest = ev.Revision
	m.events = append(m.events, ev)
}

// last is the value that a delete has in the history: what was stored, with
// the delete's revision.
func (m *model) last(ev storage.Event) []byte {
	for i := len(m.events) - 1; i >= 0; i-- {
		if m.events[i].Key == ev.Key {
			value := m.events[i].Value
			hole, _ := storage.FindHole(value)
			value, _ = hole.Splice(value, ev.Revision)
			return value
		}
	}
	return nil
}

func (m *model) list(revision int64, from, to string) []string {
	live := map[string]storage.Event{}
	for _, ev := range m.events {
		if ev.Revision > revision {
			break
		}
		if live[ev.Key] = ev; ev.Delete {
			delete(live, ev.Key)
		}
	}
	lines := []string{}
	for _, ev := range live {
		if ev.Key >= from && (to == "" || ev.Key < to) {
			lines = append(lines, line(ev.Key, ev.Revision, string(ev.Value)))
		}
	}
	slices.Sort(lines)
	return lines
}

func (m *model) history(since int64) []string {
	lines := []string{}
	for _, ev := range m.events {
		if ev.Revision > since {
			lines = append(lines, describe(ev))
		}
	}
	return lines
}

func digits(revision int64) string { return strconv.FormatInt(revision, 10) }
