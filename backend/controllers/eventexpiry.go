package controllers

import (
	"container/heap"
	"context"
	"encoding/json"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// expiryEvery gathers the events whose time is over at about the same moment;
// expiryWriters are written at once, so that they share the disk's syncs.
const (
	expiryEvery   = time.Second
	expiryWriters = 32
)

// deadline is when one version of an event has outlived its time.
type deadline struct {
	at              time.Time
	namespace, name string
	revision        int64
}

// deadlines is a heap, the earliest first.
type deadlines []deadline

// Len is the number of versions.
func (h deadlines) Len() int { return len(h) }

// Less orders by time.
func (h deadlines) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

// Swap exchanges two.
func (h deadlines) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a deadline.
func (h *deadlines) Push(x any) { *h = append(*h, x.(deadline)) }

// Pop takes the last one.
func (h *deadlines) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = deadline{}
	*h = (*h)[:last]
	return x
}

// eventExpiry removes events some time after their last write, as the lease of a
// key in etcd does for kube-apiserver (--event-ttl).
type eventExpiry struct {
	Deps
	mu   sync.Mutex
	next deadlines
}

func newEventExpiry(d Deps) func(context.Context) error {
	x := &eventExpiry{Deps: d}
	if d.EventTTL <= 0 {
		return func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	start := int64(0)
	if store := d.Registry.Store("", "events"); store != nil {
		start = store.Revision()
	}
	f := &loop.Follower{Deps: d, Initial: true, Want: loop.Only("", "events"), Event: func(_ *registry.Store, e *watchcache.Event) {
		if e.Type == watchcache.Deleted {
			return
		}
		written := d.Clock()
		if e.Object.Revision <= start {
			written = lastWrite(e.Object.Raw, written)
		}
		x.add(deadline{written.Add(d.EventTTL), e.Object.Namespace, e.Object.Name, e.Object.Revision})
	}}
	return func(ctx context.Context) error { return loop.Together(ctx, f.Run, x.run) }
}

// lastWrite reads from an object when it was written last: the newest of its
// managers' times, or its creation.
func lastWrite(raw []byte, now time.Time) time.Time {
	var o struct {
		Metadata struct {
			CreationTimestamp metav1.Time `json:"creationTimestamp"`
			ManagedFields     []struct {
				Time *metav1.Time `json:"time"`
			} `json:"managedFields"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &o); err != nil || o.Metadata.CreationTimestamp.IsZero() {
		return now
	}
	last := o.Metadata.CreationTimestamp.Time
	for _, m := range o.Metadata.ManagedFields {
		if m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	if last.After(now) {
		return now
	}
	return last
}

func (x *eventExpiry) add(d deadline) {
	x.mu.Lock()
	heap.Push(&x.next, d)
	x.mu.Unlock()
}

// due takes what is over, up to a number.
func (x *eventExpiry) due(now time.Time, most int) []deadline {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []deadline
	for len(out) < most && len(x.next) > 0 && !x.next[0].at.After(now) {
		out = append(out, heap.Pop(&x.next).(deadline))
	}
	return out
}

func (x *eventExpiry) run(ctx context.Context) error {
	for ctx.Err() == nil {
		for ctx.Err() == nil {
			over := x.due(x.Clock(), expiryWriters)
			if len(over) == 0 {
				break
			}
			x.expire(ctx, over)
		}
		loop.Wait(ctx, expiryEvery)
	}
	return ctx.Err()
}

// expire removes those of a batch that are still at the version that is over.
func (x *eventExpiry) expire(ctx context.Context, over []deadline) {
	store := x.Registry.Store("", "events")
	if store == nil {
		return
	}
	var wg sync.WaitGroup
	for _, d := range over {
		o := store.Peek(d.namespace, d.name)
		if o == nil || o.Revision != d.revision {
			continue
		}
		wg.Go(metrics.Guarded("controller", func() {
			if _, err := store.Expire(ctx, o); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Event cannot be expired, later", "event", klog.KRef(d.namespace, d.name))
				d.at = x.Clock().Add(time.Minute)
				x.add(d)
			}
		}))
	}
	wg.Wait()
}
