package watchcache

import (
	"sync"
	"sync/atomic"
)

// waiters are the readers that wait for a revision. There are few, and hardly
// ever for long, so an unsorted set does.
type waiters struct {
	count atomic.Int64
	mu    sync.Mutex
	set   map[*waiter]struct{}
}

type waiter struct {
	revision int64
	done     chan struct{}
}

func (w *waiters) add(revision int64) *waiter {
	one := &waiter{revision, make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set == nil {
		w.set = map[*waiter]struct{}{}
	}
	w.set[one] = struct{}{}
	w.count.Add(1)
	return one
}

func (w *waiters) remove(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.set[one]; ok {
		delete(w.set, one)
		w.count.Add(-1)
	}
}

// wake lets those go on whose revision is there.
func (w *waiters) wake(revision int64) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.set {
		if one.revision <= revision {
			close(one.done)
			delete(w.set, one)
			w.count.Add(-1)
		}
	}
}
