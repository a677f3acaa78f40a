package watchcache

import (
	"time"

	"pilothouse/backend/metrics"
)

// armSweep starts the timer that gives memory back, unless it runs already. It
// needs mu. A hub where nothing happens has no timer.
func (h *Hub) armSweep() {
	if h.sweeping || h.closed {
		return
	}
	h.sweeping = true
	if h.sweeper == nil {
		h.sweeper = time.AfterFunc(sweepEvery, metrics.Guarded("watch", h.sweep))
		return
	}
	h.sweeper.Reset(sweepEvery)
}

func (h *Hub) sweep() {
	if !h.sweepOnce() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armSweep()
}

// sweepOnce gives up what is old or was not used, and tells whether there is
// something left for the next time.
func (h *Hub) sweepOnce() (more bool) {
	now := h.now()
	h.mu.Lock()
	h.sweeping = false
	caches := make([]*Cache, 0, len(h.caches))
	for _, c := range h.caches {
		caches = append(caches, c)
	}
	h.mu.Unlock()

	for _, c := range caches {
		h.mu.Lock()
		if c.ring.expire(now.Add(-keepEvents).Unix()) {
			more = true
		}
		h.mu.Unlock()
		if c.older.expire(now.Add(-keepViews).Unix()) {
			more = true
		}
	}
	if h.variants.sweep() {
		more = true
	}
	if h.frames.sweep() {
		more = true
	}
	return more
}
