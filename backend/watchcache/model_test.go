package watchcache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

// selection is a watcher's selector in a form that the model can evaluate on
// stored JSON.
type selection struct {
	namespace, name, node, app string
}

func (s selection) options(from int64) WatchOptions {
	o := WatchOptions{From: from, Namespace: s.namespace, Name: s.name, FieldValue: s.node}
	if s.app != "" {
		o.Match = func(o *Object) bool { return o.Labels.Get("app") == s.app }
	}
	return o
}

func (s selection) passes(key, value string) bool {
	ns, name, _ := strings.Cut(key, "/")
	return value != "" && (s.namespace == "" || s.namespace == ns) && (s.name == "" || s.name == name) &&
		(s.node == "" || strings.Contains(value, fmt.Sprintf(`"node":%q`, s.node))) &&
		(s.app == "" || strings.Contains(value, fmt.Sprintf(`"app":%q`, s.app)))
}

func (s selection) random(r *rand.Rand) selection {
	maybe := func(p int, format string, n int) string {
		if r.IntN(p) > 0 {
			return ""
		}
		return fmt.Sprintf(format, r.IntN(n))
	}
	return selection{maybe(3, "ns%d", 3), maybe(4, "p%03d", 30), maybe(3, "node%d", 4), maybe(3, "app%d", 3)}
}

// expected gives what a watcher with a selection sees of a log after a revision.
func (s selection) expected(log []storage.Event, from int64) (want []string) {
	state := map[string]string{}
	for _, ev := range log {
		if !strings.HasPrefix(ev.Key, podPrefix) {
			continue
		}
		key := ev.Key[len(podPrefix):]
		before, after := state[key], string(ev.Value)
		if ev.Delete {
			after = ""
		}
		state[key] = after
		was, is := s.passes(key, before), s.passes(key, after)
		if ev.Revision <= from || !was && !is {
			continue
		}
		switch {
		case is && was:
			want = append(want, fmt.Sprintf("MODIFIED %d %s", ev.Revision, after))
		case is:
			want = append(want, fmt.Sprintf("ADDED %d %s", ev.Revision, after))
		default:
			i := strings.Index(before, `"resourceVersion":"`) + len(`"resourceVersion":"`)
			end := strings.IndexByte(before[i:], '"')
			want = append(want, fmt.Sprintf("DELETED %d %s%d%s", ev.Revision, before[:i], ev.Revision, before[i+end:]))
		}
	}
	return want
}

// Writers, watchers that come and go and readers at the same time; afterwards
// what each of them saw is compared with the log.
func TestConcurrentHistory(t *testing.T) {
	const last, podKeys = 6000, 30
	h := NewHub()
	defer h.Close()
	c := h.Add(podConfig())
	other := h.Add(Config{Prefix: "apps/deployments/", Namespaced: true, Fields: []string{"node"}, Decode: decode})
	h.Ready(storage.Position{}, 0, nil)
	s := newStore(h)
	ctx := short(t)
	var wg sync.WaitGroup
	var checks sync.Mutex
	var after []func() // run when the log is complete

	for i := range 12 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 9))
			for from := int64(0); from < last; {
				selected := selection{}.random(r)
				got, reached, err := follow(ctx, c, selected, from, min(last, from+r.Int64N(1500)), r)
				if err != nil {
					t.Errorf("watch %+v from %d: %v", selected, from, err)
					return
				}
				start := from
				checks.Lock()
				after = append(after, func() {
					want := selected.expected(s.log[:reached], start)
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("watch %+v in (%d, %d]: got %d events\n%v\nwant %d\n%v", selected, start, reached, len(got), got, len(want), want)
					}
				})
				checks.Unlock()
				from = reached
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for newest := int64(0); newest < last; {
				snapshot := c.Snapshot()
				if snapshot.Revision() < newest || other.Snapshot().Revision() < newest-8 {
					t.Error("revisions go back")
				}
				newest = snapshot.Revision()
				if newest%97 != 0 {
					continue
				}
				old, ok := c.At(newest / 2)
				checks.Lock()
				after = append(after, func() {
					if !maps.Equal(contents(snapshot), s.at(snapshot.Revision(), podPrefix)) {
						t.Errorf("snapshot at %d is not the state then", snapshot.Revision())
					}
					if ok && !maps.Equal(contents(old), s.at(old.Revision(), podPrefix)) {
						t.Errorf("state at %d is not the state then", old.Revision())
					}
				})
				checks.Unlock()
			}
		})
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(5, 6))
		for s.revision < last {
			var batch []storage.Event
			for range min(1+r.Int64N(8), last-s.revision) {
				prefix := podPrefix
				if r.IntN(4) == 0 {
					prefix = "apps/deployments/"
				}
				batch = append(batch, s.random(r, prefix, podKeys))
			}
			s.apply(batch...)
			if h.Revision() != s.revision {
				t.Error("a write is not shown when it is acknowledged")
			}
		}
	})
	wg.Wait()
	for _, check := range after {
		check()
	}
}

// follow watches until a bookmark could be sent for a revision, and gives the
// events and the revision that was reached. It steps over those events that a
// bookmark's revision would have hidden.
func follow(ctx context.Context, c *Cache, s selection, from, to int64, r *rand.Rand) (got []string, reached int64, err error) {
	w, err := c.Watch(s.options(from))
	if err != nil {
		return nil, 0, err
	}
	defer w.Close()
	for {
		if reached = w.Revision(); reached >= to {
			return got, reached, nil
		}
		events, err := w.Poll(1 + r.IntN(5))
		if err != nil {
			return nil, 0, err
		}
		for i := range events {
			frame, err := events[i].Frame("json", func() ([]byte, error) {
				return fmt.Appendf(nil, "%s %d %s", events[i].Type, events[i].Revision, events[i].Object.Raw), nil
			})
			if err != nil {
				return nil, 0, err
			}
			got = append(got, string(frame))
		}
		if len(events) == 0 && !w.More() {
			// Wait for an event of ours or for others to pass.
			runtime.Gosched()
			if err := c.hub.WaitFor(ctx, reached+1); err != nil {
				return nil, 0, fmt.Errorf("no more after %d: %w", reached, err)
			}
		}
	}
}

// Watchers that fall out of a small ring and start again from a state end with
// the right one.
func TestConcurrentRelist(t *testing.T) {
	const last = 4000
	h := NewHub()
	defer h.Close()
	config := podConfig()
	config.RingSize = 32
	c := h.Add(config)
	h.Ready(storage.Position{}, 0, nil)
	s := newStore(h)
	ctx := short(t)
	var wg sync.WaitGroup
	states := make([]map[string]string, 8)
	for i := range states {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				state, err := replay(ctx, c, r, last)
				if err == nil {
					states[i] = state
					return
				}
				if !errors.Is(err, ErrExpired) {
					t.Error(err)
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(7, 8))
	for s.revision < last {
		s.apply(s.random(r, podPrefix, 30))
	}
	wg.Wait()
	for i := range states {
		if !maps.Equal(states[i], s.at(last, podPrefix)) {
			t.Errorf("client %d ends with %v", i, states[i])
		}
	}
}

// replay keeps a client's copy of the state up to a revision.
func replay(ctx context.Context, c *Cache, r *rand.Rand, last int64) (map[string]string, error) {
	w, err := c.Watch(WatchOptions{Initial: true})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	state := map[string]string{}
	for w.Revision() < last {
		events, err := w.Poll(1 + r.IntN(20))
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			_, known := state[e.Object.Key]
			if known != (e.Type != Added) {
				return nil, fmt.Errorf("%s of %s, which is known: %v", e.Type, e.Object.Key, known)
			}
			state[e.Object.Key] = string(e.Object.Raw)
			if e.Type == Deleted {
				delete(state, e.Object.Key)
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(events) == 0 {
			runtime.Gosched()
		}
	}
	return state, nil
}

// Every write is of one object, so a snapshot at a revision that the object has
// not would claim what it does not hold.
func TestSnapshotHoldsWhatItsRevisionSays(t *testing.T) {
	const last = 30_000
	s, c := newPods(t)
	var wg sync.WaitGroup
	s.apply(s.put(podPrefix+"ns/p", "", ""))
	for range 2 {
		wg.Go(func() {
			for {
				snapshot := c.Snapshot()
				if got := snapshot.Get("ns/p").Revision; got != snapshot.Revision() {
					t.Errorf("a snapshot at %d holds the state at %d", snapshot.Revision(), got)
					return
				}
				if snapshot.Revision() == last {
					return
				}
			}
		})
	}
	ev := s.put(podPrefix+"ns/p", "", "")
	for ; ev.Revision <= last; ev.Revision++ {
		s.apply(ev)
	}
	wg.Wait()
}

// Each event is sent when the one before has arrived, which is when the
// dispatcher is about to rest.
func TestNoWakeUpIsLost(t *testing.T) {
	const last = 20_000
	s, c := newPods(t)
	ctx := short(t)
	w, err := c.Watch(WatchOptions{From: 0})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for ev := s.put(podPrefix+"ns/p", "", ""); ev.Revision <= last; ev.Revision++ {
		s.apply(ev)
		events, err := w.Next(ctx, 0)
		if err != nil || len(events) != 1 || events[0].Revision != ev.Revision {
			t.Fatal(ev.Revision, events, err)
		}
	}
}
