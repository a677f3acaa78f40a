package watchcache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/storage"
)

// testObject is the JSON of these tests: one field and labels.
type testObject struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels,omitempty"`
	} `json:"metadata"`
	Node string `json:"node"`
}

func encode(name string, revision int64, node, app string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"name":%q,"resourceVersion":"%d","labels":{"app":%q}},"node":%q}`, name, revision, app, node)
}

func decode(_ string, value []byte, _ any) (*Object, error) {
	var t testObject
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, err
	}
	return &Object{
		Raw:    value,
		Labels: NewLabels(t.Metadata.Labels),
		Fields: []string{t.Node},
		UID:    "uid-" + t.Metadata.Name,
	}, nil
}

const podPrefix = "core/pods/"

func podConfig() Config {
	return Config{Prefix: podPrefix, Namespaced: true, Fields: []string{"node"}, Indexes: []int{0}, Decode: decode}
}

// store is the model: what a storage engine would hold and say.
type store struct {
	hub      *Hub
	mu       sync.Mutex
	revision int64
	objects  map[string]storage.Record
	log      []storage.Event
}

func newStore(h *Hub) *store { return &store{hub: h, objects: map[string]storage.Record{}} }

// put and drop give the event of a write without applying it.
func (s *store) put(key, node, app string) storage.Event {
	s.revision++
	ev := storage.Event{
		Key: key, Revision: s.revision, Previous: s.objects[key].Revision,
		Value: encode(key[strings.LastIndexByte(key, '/')+1:], s.revision, node, app),
	}
	s.objects[key] = storage.Record{Key: key, Value: ev.Value, Revision: s.revision}
	s.log = append(s.log, ev)
	return ev
}

func (s *store) drop(key string) storage.Event {
	s.revision++
	last := s.objects[key]
	value := strings.Replace(string(last.Value), fmt.Sprintf(`"resourceVersion":"%d"`, last.Revision), fmt.Sprintf(`"resourceVersion":"%d"`, s.revision), 1)
	ev := storage.Event{Key: key, Revision: s.revision, Previous: last.Revision, Value: []byte(value), Delete: true}
	delete(s.objects, key)
	s.log = append(s.log, ev)
	return ev
}

func (s *store) apply(events ...storage.Event) { s.hub.Apply(events) }

// random gives the event of a random write to one of n keys under a prefix.
func (s *store) random(r *rand.Rand, prefix string, n int) storage.Event {
	i := r.IntN(n)
	key := fmt.Sprintf("%sns%d/p%03d", prefix, i%3, i)
	if _, ok := s.objects[key]; ok && r.IntN(4) == 0 {
		return s.drop(key)
	}
	return s.put(key, fmt.Sprintf("node%d", r.IntN(4)), fmt.Sprintf("app%d", r.IntN(3)))
}

// at replays the log up to a revision: key to JSON.
func (s *store) at(revision int64, prefix string) map[string]string {
	state := map[string]string{}
	for _, ev := range s.log {
		if ev.Revision > revision || !strings.HasPrefix(ev.Key, prefix) {
			continue
		}
		if ev.Delete {
			delete(state, ev.Key[len(prefix):])
		} else {
			state[ev.Key[len(prefix):]] = string(ev.Value)
		}
	}
	return state
}

func (s *store) ListAt(_ context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.at(revision, "")
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if key < from || key >= to {
			continue
		}
		var t testObject
		var rv int64
		if err := json.Unmarshal([]byte(state[key]), &t); err != nil {
			return err
		}
		fmt.Sscan(t.Metadata.ResourceVersion, &rv)
		if !f(storage.Record{Key: key, Value: []byte(state[key]), Revision: rv}) {
			return nil
		}
	}
	return nil
}

func contents(s Snapshot) map[string]string {
	m := map[string]string{}
	s.Ascend("", func(o *Object) bool {
		m[o.Key] = string(o.Raw)
		return true
	})
	return m
}

func newPods(t *testing.T) (*store, *Cache) {
	t.Helper()
	h := NewHub()
	t.Cleanup(h.Close)
	c := h.Add(podConfig())
	h.Ready(storage.Position{}, 0, nil)
	return newStore(h), c
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// drain gives all events that are there now.
func drain(t *testing.T, w *Watcher) []string {
	t.Helper()
	var got []string
	for {
		events, err := w.Poll(3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s %s %d %s", e.Type, e.Object.Key, e.Revision, e.Object.Field(0)))
		}
		if len(events) == 0 && !w.More() {
			return got
		}
	}
}

// settle waits until the dispatcher has seen everything.
func settle(t *testing.T, c *Cache) {
	t.Helper()
	for end := time.Now().Add(time.Minute); c.watch.signals.Load() != 0; {
		if time.Now().After(end) {
			t.Fatal("the dispatcher does not come to rest")
		}
		time.Sleep(10 * time.Microsecond)
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestSnapshotsAreExactAtEveryRevision(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, c := newPods(t)
	for s.revision < 2000 {
		var batch []storage.Event
		for range 1 + r.IntN(5) {
			batch = append(batch, s.random(r, podPrefix, 40))
		}
		s.apply(batch...)
		snapshot := c.Snapshot()
		if snapshot.Revision() != s.revision {
			t.Fatalf("snapshot at %d, not %d", snapshot.Revision(), s.revision)
		}
		if got, want := contents(snapshot), s.at(s.revision, podPrefix); !maps.Equal(got, want) {
			t.Fatalf("revision %d: got %v want %v", s.revision, got, want)
		}
		revision := r.Int64N(s.revision + 1)
		older, ok := c.At(revision)
		if !ok {
			t.Fatalf("no state at %d of %d", revision, s.revision)
		}
		if got, want := contents(older), s.at(revision, podPrefix); older.Revision() != revision || !maps.Equal(got, want) {
			t.Fatalf("state at %d of %d: got %v want %v", revision, s.revision, got, want)
		}
		byNode := map[string]string{}
		older.ByIndex(0, "node1", func(o *Object) bool {
			byNode[o.Key] = string(o.Raw)
			return true
		})
		want := contents(older)
		maps.DeleteFunc(want, func(_, v string) bool { return !strings.Contains(v, `"node":"node1"`) })
		if !maps.Equal(byNode, want) {
			t.Fatalf("index at %d: got %v want %v", revision, byNode, want)
		}
	}
	if _, ok := c.At(s.revision + 1); ok {
		t.Fatal("a state of the future")
	}
}

func TestSnapshotOrderAndRanges(t *testing.T) {
	s, c := newPods(t)
	for _, key := range []string{"b/x", "a/y", "a-b/z", "a/b", "aa/c"} {
		s.apply(s.put(podPrefix+key, "n", ""))
	}
	keys := func(walk func(func(*Object) bool)) (got []string) {
		walk(func(o *Object) bool { got = append(got, o.Namespace+"|"+o.Name); return true })
		return got
	}
	snapshot := c.Snapshot()
	same(t, keys(func(f func(*Object) bool) { snapshot.Ascend("", f) }), []string{"a-b|z", "a|b", "a|y", "aa|c", "b|x"})
	same(t, keys(func(f func(*Object) bool) { snapshot.Ascend("a/c", f) }), []string{"a|y", "aa|c", "b|x"})
	same(t, keys(func(f func(*Object) bool) { snapshot.AscendPrefix("a", f) }), []string{"a|b", "a|y"})
	same(t, keys(func(f func(*Object) bool) { snapshot.AscendNamespace("a", "a/b\x00", f) }), []string{"a|y"})
	same(t, keys(func(f func(*Object) bool) { snapshot.ByIndexFrom(0, "n", "aa/", f) }), []string{"aa|c", "b|x"})
	if n := snapshot.Count("a", "a/c"); n != 1 {
		t.Fatal(n)
	}
	if snapshot.Count("", "") != 5 || snapshot.Count("", "aa/") != 2 || snapshot.Get("a/y") == nil || snapshot.Get("a/none") != nil || snapshot.Len() != 5 {
		t.Fatal("get or len")
	}
}

func TestSelectorTransitions(t *testing.T) {
	s, c := newPods(t)
	app := func(value string) func(*Object) bool {
		return func(o *Object) bool { return o.Labels.Get("app") == value }
	}
	watch := func(o WatchOptions) *Watcher {
		w, err := c.Watch(o)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	a := watch(WatchOptions{Match: app("a")})
	node := watch(WatchOptions{FieldValue: "n2"})
	unset := watch(WatchOptions{ByField: true})
	named := watch(WatchOptions{Namespace: "ns", Name: "p"})
	anywhere := watch(WatchOptions{Name: "p"})
	other := watch(WatchOptions{Namespace: "elsewhere"})
	key := podPrefix + "ns/p"
	s.apply(s.put(key, "", "b"))                        // 1
	s.apply(s.put(key, "", "a"), s.put(key, "n1", "a")) // 2 3
	s.apply(s.put(key, "n2", "a"))                      // 4
	s.apply(s.put(key, "n2", "b"))                      // 5
	s.apply(s.drop(key))                                // 6
	s.apply(s.put(podPrefix+"elsewhere/p", "n1", "a"))  // 7
	settle(t, c)
	same(t, drain(t, a), []string{"ADDED ns/p 2 ", "MODIFIED ns/p 3 n1", "MODIFIED ns/p 4 n2", "DELETED ns/p 5 n2", "ADDED elsewhere/p 7 n1"})
	same(t, drain(t, node), []string{"ADDED ns/p 4 n2", "MODIFIED ns/p 5 n2", "DELETED ns/p 6 n2"})
	same(t, drain(t, unset), []string{"ADDED ns/p 1 ", "MODIFIED ns/p 2 ", "DELETED ns/p 3 "})
	same(t, drain(t, named), []string{"ADDED ns/p 1 ", "MODIFIED ns/p 2 ", "MODIFIED ns/p 3 n1", "MODIFIED ns/p 4 n2", "MODIFIED ns/p 5 n2", "DELETED ns/p 6 n2"})
	same(t, drain(t, other), []string{"ADDED elsewhere/p 7 n1"})
	if got := drain(t, anywhere); len(got) != 7 {
		t.Fatal(got)
	}
	for _, w := range []*Watcher{a, node, unset, named, anywhere, other} {
		if w.Revision() != 7 {
			t.Fatalf("bookmark at %d", w.Revision())
		}
		w.Close()
	}
	if len(c.watch.groups) != 0 || c.watch.count.Load() != 0 || c.watch.kinds != [groupKinds]int{} {
		t.Fatal("closed watchers are still registered")
	}
}

// An object that leaves a selector is sent with its previous state at the new
// revision, as Kubernetes' cacher does.
func TestLeavingCarriesThePreviousState(t *testing.T) {
	s, c := newPods(t)
	w, err := c.Watch(WatchOptions{From: 0, FieldValue: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for s.revision < 8 {
		s.apply(s.put(podPrefix+"ns/other", "", ""))
	}
	s.apply(s.put(podPrefix+"ns/p", "n1", "before"))
	s.apply(s.put(podPrefix+"ns/p", "n2", "after")) // 10: one digit more
	events, err := w.Next(short(t), 10)
	for err == nil && len(events) < 2 {
		var more []Event
		events = slices.Clone(events)
		more, err = w.Next(short(t), 10)
		events = append(events, more...)
	}
	if err != nil {
		t.Fatal(err)
	}
	last := events[1]
	if last.Type != Deleted || last.Revision != 10 || last.Object.Revision != 10 {
		t.Fatalf("%+v", last)
	}
	if got, want := string(last.Object.Raw), string(encode("p", 10, "n1", "before")); got != want {
		t.Fatalf("got %s want %s", got, want)
	}
	if hole := string(last.Object.Raw[last.Object.HoleOffset:][:last.Object.HoleLen]); hole != "10" {
		t.Fatalf("hole %q", hole)
	}
}

func TestFromTheFutureIsSilentUntilThen(t *testing.T) {
	s, c := newPods(t)
	w, err := c.Watch(WatchOptions{From: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 3 {
		s.apply(s.put(podPrefix+"ns/p", "", ""))
	}
	events, err := w.Next(short(t), 0)
	for err == nil && len(events) == 0 {
		events, err = w.Next(short(t), 0)
	}
	if err != nil || len(events) != 1 || events[0].Revision != 3 {
		t.Fatal(events, err)
	}
}

func TestInitialState(t *testing.T) {
	s, c := newPods(t)
	empty, err := c.Watch(WatchOptions{Initial: true})
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if events, err := empty.Next(short(t), 0); len(events) != 0 || err != nil || !empty.InitialDone() {
		t.Fatal("an empty state does not end at once", events, err)
	}
	for _, key := range []string{"a/1", "a/2", "b/1", "b/2", "b/3"} {
		s.apply(s.put(podPrefix+key, "n"+key[2:], ""))
	}
	got := func(o WatchOptions) []string {
		o.Initial = true
		w, err := c.Watch(o)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if w.Revision() != 0 || w.InitialDone() {
			t.Fatal("done before it began")
		}
		var keys []string
		for !w.InitialDone() {
			events, err := w.Next(short(t), 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				keys = append(keys, e.Type.String()+" "+e.Object.Key)
			}
		}
		if w.Revision() != 5 {
			t.Fatalf("state at %d", w.Revision())
		}
		return keys
	}
	same(t, got(WatchOptions{}), []string{"ADDED a/1", "ADDED a/2", "ADDED b/1", "ADDED b/2", "ADDED b/3"})
	same(t, got(WatchOptions{Namespace: "b"}), []string{"ADDED b/1", "ADDED b/2", "ADDED b/3"})
	same(t, got(WatchOptions{Namespace: "b", Name: "2"}), []string{"ADDED b/2"})
	same(t, got(WatchOptions{Name: "2"}), []string{"ADDED a/2", "ADDED b/2"})
	same(t, got(WatchOptions{FieldValue: "n1"}), []string{"ADDED a/1", "ADDED b/1"})
}

func TestExpiry(t *testing.T) {
	h := NewHub()
	defer h.Close()
	config := podConfig()
	config.RingSize = 64
	c := h.Add(config)
	h.Ready(storage.Position{Revision: 10}, 10, nil)
	s := newStore(h)
	s.revision = 10
	if _, err := c.Watch(WatchOptions{From: 9}); !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
	slow, err := c.Watch(WatchOptions{From: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	unrelated, err := c.Watch(WatchOptions{From: 10, Namespace: "ns", Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer unrelated.Close()
	for range 500 {
		s.apply(s.put(podPrefix+"ns/p", "", ""))
		settle(t, c)
	}
	if _, err := slow.Next(short(t), 0); !errors.Is(err, ErrExpired) {
		t.Fatal("a watcher that fell out of the ring:", err)
	}
	if _, err := slow.Next(short(t), 0); !errors.Is(err, ErrExpired) {
		t.Fatal("asked again:", err)
	}
	// One whose events did not come is not slow.
	if got := drain(t, unrelated); len(got) != 0 || unrelated.Revision() != s.revision {
		t.Fatal(got, unrelated.Revision())
	}
	s.apply(s.put(podPrefix+"ns/other", "", ""))
	settle(t, c)
	if got := drain(t, unrelated); len(got) != 1 {
		t.Fatal(got)
	}
	start := c.ring.start.Load()
	if _, err := c.Watch(WatchOptions{From: start - 1}); !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
	w, err := c.Watch(WatchOptions{From: start})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got := drain(t, w); int64(len(got)) != s.revision-start {
		t.Fatalf("%d events after %d", len(got), start)
	}
	if _, ok := c.At(start - 1); ok {
		t.Fatal("a state from before the ring")
	}
	// One batch larger than the ring.
	var batch []storage.Event
	for range 200 {
		batch = append(batch, s.put(podPrefix+"ns/p", "", ""))
	}
	s.apply(batch...)
	settle(t, c)
	if _, err := unrelated.Next(short(t), 0); !errors.Is(err, ErrExpired) {
		t.Fatal("the dispatcher was overrun:", err)
	}
}

func TestRingBytesAndAge(t *testing.T) {
	h := NewHub()
	defer h.Close()
	now := time.Unix(1000, 0)
	h.now = func() time.Time { return now }
	config := podConfig()
	config.RingBytes = 1000 * 600
	c := h.Add(config)
	h.Ready(storage.Position{}, 0, nil)
	s := newStore(h)
	for range 5000 {
		s.apply(s.put(podPrefix+"ns/p", "", ""))
	}
	if n := c.ring.tail.Load() - c.ring.head; n < 900 || n > 1100 || c.ring.bytes > config.RingBytes {
		t.Fatalf("%d events, %d bytes", n, c.ring.bytes)
	}
	if !h.sweepOnce() || len(c.older.recent) != keepRecent {
		t.Fatal("swept too early")
	}
	now = now.Add(time.Hour)
	h.sweepOnce()
	if n := c.ring.tail.Load() - c.ring.head; n != ringKeep || len(*c.ring.slots.Load()) > 2*ringKeep {
		t.Fatalf("%d events in %d slots after an hour", n, len(*c.ring.slots.Load()))
	}
	if h.sweepOnce() {
		t.Fatal("nothing is left to do, the timer should stop")
	}
	w, err := c.Watch(WatchOptions{From: s.revision - ringKeep})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got := drain(t, w); len(got) != ringKeep {
		t.Fatal(len(got))
	}
}

func TestHistoryFillsTheRing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := newStore(nil)
	for s.revision < 300 {
		s.random(r, podPrefix, 10)
	}
	h := NewHub()
	defer h.Close()
	c := h.Add(podConfig())
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		h.Load(s.objects[key])
	}
	const since = 100
	for _, ev := range s.log[since:] {
		h.History(ev)
	}
	h.Ready(storage.Position{Revision: 300, Compacted: since}, since, nil)
	s.hub = h
	if got := contents(c.Snapshot()); !maps.Equal(got, s.at(300, podPrefix)) || c.Snapshot().Revision() != 300 {
		t.Fatal(got)
	}
	if _, err := c.Watch(WatchOptions{From: since - 1}); !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
	w, err := c.Watch(WatchOptions{From: since})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	checkEvents(t, drain(t, w), s.log[since:])
	// What left a selector cannot be told where the previous state is unknown.
	if _, err := c.Watch(WatchOptions{From: since, FieldValue: "node1"}); !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
	if got, ok := c.At(c.ring.exact.Load()); !ok || !maps.Equal(contents(got), s.at(c.ring.exact.Load(), podPrefix)) {
		t.Fatal("state in history")
	}
	if _, ok := c.At(c.ring.exact.Load() - 1); ok {
		t.Fatal("a state that cannot be known")
	}
}

// checkEvents compares what a watcher of everything saw with the log.
func checkEvents(t *testing.T, got []string, log []storage.Event) {
	t.Helper()
	var want []string
	for _, ev := range log {
		typ := Modified
		if ev.Delete {
			typ = Deleted
		} else if ev.Previous == 0 {
			typ = Added
		}
		o, _ := decode("", ev.Value, nil)
		want = append(want, fmt.Sprintf("%s %s %d %s", typ, ev.Key[len(podPrefix):], ev.Revision, o.Fields[0]))
	}
	same(t, got, want)
}

func TestAddAtRunTimeReadsItsObjects(t *testing.T) {
	h := NewHub()
	defer h.Close()
	s := newStore(h)
	h.Ready(storage.Position{}, 0, s)
	s.apply(s.put(podPrefix+"ns/a", "n", ""), s.put("core/podsy/ns/x", "", ""), s.put(podPrefix+"ns/b", "n", ""))
	s.apply(s.drop(podPrefix + "ns/a"))

	// Events that come while records are read are not lost.
	blocked := &blockingReader{store: s, entered: make(chan struct{}), leave: make(chan struct{})}
	h.Ready(storage.Position{Revision: 4}, 4, blocked)
	added := make(chan *Cache)
	go func() { added <- h.Add(podConfig()) }()
	<-blocked.entered
	s.mu.Lock()
	s.apply(s.put(podPrefix+"ns/c", "n", ""), s.put(podPrefix+"ns/b", "m", ""))
	s.mu.Unlock()
	close(blocked.leave)
	c := <-added
	if got := contents(c.Snapshot()); !maps.Equal(got, s.at(s.revision, podPrefix)) || len(got) != 2 {
		t.Fatal(got)
	}
	w, err := c.Watch(WatchOptions{From: 4})
	if err != nil {
		t.Fatal(err)
	}
	same(t, drain(t, w), []string{"ADDED ns/c 5 n", "MODIFIED ns/b 6 m"})
	h.Remove(podPrefix)
	if _, err := w.Next(short(t), 0); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}
	w.Close()
	if _, err := c.Watch(WatchOptions{}); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}
	s.apply(s.put(podPrefix+"ns/d", "", ""))
	if h.Revision() != s.revision || h.Cache(podPrefix) != nil {
		t.Fatal("a removed resource stops others")
	}
}

type blockingReader struct {
	*store
	entered, leave chan struct{}
}

func (b *blockingReader) ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error {
	close(b.entered)
	<-b.leave
	return b.store.ListAt(ctx, revision, from, to, f)
}

func TestWaitFor(t *testing.T) {
	s, _ := newPods(t)
	h := s.hub
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.WaitFor(ended, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- h.WaitFor(short(t), 2) }()
	s.apply(s.put(podPrefix+"ns/a", "", ""))
	s.apply(s.put(podPrefix+"ns/a", "", ""))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := h.waiters.count.Load(); n != 0 {
		t.Fatalf("%d waiters left", n)
	}
}

// A watcher is woken for its own events only.
func TestWakeUpIsSelective(t *testing.T) {
	s, c := newPods(t)
	watch := func(o WatchOptions) *Watcher {
		w, err := c.Watch(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		return w
	}
	calls := 0
	unrelated := []*Watcher{
		watch(WatchOptions{Namespace: "other"}),
		watch(WatchOptions{Namespace: "ns", Name: "other"}),
		watch(WatchOptions{Namespace: "other", Name: "p"}),
		watch(WatchOptions{FieldValue: "n9"}),
		watch(WatchOptions{Match: func(*Object) bool { return false }}),
		watch(WatchOptions{Namespace: "other", Match: func(*Object) bool { calls++; return true }}),
	}
	related := watch(WatchOptions{Namespace: "ns", Name: "p", FieldValue: "n1"})
	s.apply(s.put(podPrefix+"ns/p", "n1", ""))
	settle(t, c)
	for i, w := range unrelated {
		if w.pending.Load() != nothing || len(w.wake) != 0 {
			t.Errorf("watcher %d was woken", i)
		}
	}
	if calls != 0 {
		t.Error("a watcher of another namespace was asked")
	}
	if len(related.wake) != 1 {
		t.Error("the watcher of the object was not woken")
	}
}
