package watchcache

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
)

// benchPods fills a cache with n pods of about 3 KB, 100 to a namespace, 50 to
// a node; six of seven labels are shared by the pods of a workload.
func benchPods(b testing.TB, n int) (*Hub, *Cache) {
	h := NewHub()
	b.Cleanup(h.Close)
	pad := strings.Repeat("x", 3000)
	c := h.Add(Config{
		Prefix: podPrefix, Namespaced: true, Fields: []string{"spec.nodeName", "status.phase"}, Indexes: []int{0},
		Decode: func(key string, value []byte, attachment any) (*Object, error) {
			if o, ok := attachment.(*Object); ok {
				return o, nil
			}
			i, _ := strconv.Atoi(key[strings.IndexByte(key, '-')+1:])
			return benchObject(value, i), nil
		},
	})
	for i := range n {
		h.Load(storage.Record{Key: benchKey(i), Value: []byte(`{"metadata":{"resourceVersion":"1"},"pad":"` + pad + `"}`), Revision: 1})
	}
	h.Ready(storage.Position{Revision: 1}, 1, nil)
	return h, c
}

func benchKey(i int) string { return fmt.Sprintf("%sns%04d/pod-%06d", podPrefix, i/100, i) }

func benchObject(value []byte, i int) *Object {
	labels := map[string]string{"app": "web", "pod-template-hash": strconv.Itoa(i / 100), "tier": "front"}
	return &Object{Raw: value, Labels: NewLabels(labels), Fields: []string{fmt.Sprintf("node-%d", i/50), "Running"}}
}

func BenchmarkGet(b *testing.B) {
	const n = 100_000
	_, c := benchPods(b, n)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = benchKey(i)[len(podPrefix):]
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % n
		if c.Snapshot().Get(keys[i]) == nil {
			b.Fatal(keys[i])
		}
	}
}

func BenchmarkList(b *testing.B) {
	_, c := benchPods(b, 100_000)
	count := func(walk func(f func(*Object) bool)) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			var bytes, objects int
			for b.Loop() {
				bytes, objects = 0, 0
				walk(func(o *Object) bool { bytes += len(o.Raw); objects++; return objects < 10_000 })
			}
			b.ReportMetric(float64(objects), "objects")
		}
	}
	b.Run("10000", count(func(f func(*Object) bool) { c.Snapshot().Ascend("", f) }))
	b.Run("namespace", count(func(f func(*Object) bool) { c.Snapshot().AscendPrefix("ns0500", f) }))
	b.Run("node", count(func(f func(*Object) bool) { c.Snapshot().ByIndex(0, "node-700", f) }))
}

// BenchmarkApply is what the committer pays for one update in a batch of one,
// and per event for batches of 64, with watchers of different kinds. Delivery
// goes on beside it and is waited for, as in the /deliver variants of fan-out.
func BenchmarkApply(b *testing.B) {
	kinds := []struct {
		name  string
		n     int
		batch int
		o     func(i int) WatchOptions
	}{
		{"none", 0, 1, nil},
		{"none/batch64", 0, 64, nil},
		{"all1000", 1000, 1, func(int) WatchOptions { return WatchOptions{From: -1} }},
		{"all10000", 10000, 1, func(int) WatchOptions { return WatchOptions{From: -1} }},
		{"object10000", 10000, 1, func(i int) WatchOptions {
			return WatchOptions{From: -1, Namespace: "elsewhere", Name: fmt.Sprint("pod-", i)}
		}},
		{"node10000", 10000, 1, func(i int) WatchOptions { return WatchOptions{From: -1, FieldValue: fmt.Sprint("none-", i)} }},
		{"namespace10000", 10000, 1, func(i int) WatchOptions { return WatchOptions{From: -1, Namespace: fmt.Sprint("none", i)} }},
	}
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			h, c := benchPods(b, 10_000)
			for i := range kind.n {
				w, err := c.Watch(kind.o(i))
				if err != nil {
					b.Fatal(err)
				}
				defer w.Close()
			}
			u := newUpdates(h, 10_000)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += kind.batch {
				u.apply(kind.batch)
			}
		})
	}
}

// updates makes events that update pods in turn.
type updates struct {
	hub      *Hub
	n, next  int
	revision int64
	values   [][]byte
	keys     []string
	batch    []storage.Event
}

func newUpdates(h *Hub, n int) *updates {
	u := &updates{hub: h, n: n, revision: h.Revision()}
	value := []byte(`{"metadata":{"resourceVersion":"1"},"pad":"` + strings.Repeat("y", 3000) + `"}`)
	for i := range n {
		u.keys = append(u.keys, benchKey(i))
		u.values = append(u.values, value)
	}
	return u
}

func (u *updates) apply(size int) {
	u.batch = u.batch[:0]
	for range size {
		i := u.next % u.n
		u.next += 7919
		u.revision++
		o := &Object{Raw: u.values[i], Labels: Labels{{"app", "web"}}, Fields: []string{"node-1", "Running"}}
		u.batch = append(u.batch, storage.Event{Key: u.keys[i], Value: u.values[i], Revision: u.revision, Previous: 1, Attachment: o})
	}
	u.hub.Apply(u.batch)
}

// BenchmarkDeliver is one event to many waiting watchers, until all have it:
// per delivery, with one goroutine for each watcher as a server has.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		for _, burst := range []int{1, 20} {
			b.Run(fmt.Sprintf("%dwatchers/burst%d", n, burst), func(b *testing.B) {
				h, c := benchPods(b, 1000)
				ctx, cancel := context.WithCancel(b.Context())
				var stopped, round sync.WaitGroup
				for range n {
					w, err := c.Watch(WatchOptions{From: -1})
					if err != nil {
						b.Fatal(err)
					}
					stopped.Go(func() {
						defer w.Close()
						ctx, cancel := context.WithCancel(ctx)
						defer cancel()
						for got := 0; ; {
							events, err := w.Next(ctx, 0)
							if err != nil {
								return
							}
							for i := range events {
								events[i].Frame("json", func() ([]byte, error) { return events[i].Object.Raw, nil })
							}
							if got += len(events); got == burst {
								got = 0
								round.Done()
							}
						}
					})
				}
				u := newUpdates(h, 1000)
				b.ResetTimer()
				deliveries := 0
				for deliveries < b.N {
					round.Add(n)
					for range burst {
						u.apply(1)
					}
					round.Wait()
					deliveries += n * burst
				}
				b.StopTimer()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(deliveries), "ns/delivery")
				cancel()
				stopped.Wait()
			})
		}
	}
}

// BenchmarkMemory tells what an object takes besides its JSON, and what a
// resource without objects does.
func BenchmarkMemory(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	const n = 50_000
	for b.Loop() {
		before := heap()
		_, c := benchPods(b, n)
		raw := 0
		c.Snapshot().Ascend("", func(o *Object) bool { raw += cap(o.Raw); return true })
		after := heap()
		b.ReportMetric((after-before-float64(raw))/n, "overhead-B/object")
		runtime.KeepAlive(c)

		before = heap()
		h := NewHub()
		for i := range 1000 {
			h.Add(Config{Prefix: fmt.Sprintf("group%d/things/", i), Decode: decode})
		}
		h.Ready(storage.Position{Revision: 1}, 1, nil)
		b.ReportMetric((heap()-before)/1000, "B/idle-resource")
		runtime.KeepAlive(h)
		h.Close()
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRewind is a list of a revision 1,000 events ago.
func BenchmarkRewind(b *testing.B) {
	h, c := benchPods(b, 10_000)
	u := newUpdates(h, 10_000)
	for range 2000 {
		u.apply(1)
	}
	for b.Loop() {
		c.older.pinned = nil
		if _, ok := c.At(u.revision - 1000); !ok {
			b.Fatal("gone")
		}
	}
}
