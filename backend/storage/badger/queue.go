package badger

import (
	"sync"

	"pilothouse/backend/storage"
)

// queue is where writers wait for their batch. At any time at most one of them
// leads, and while someone waits one does.
type queue struct {
	mu      sync.Mutex // guards the rest
	waiting []*pending
	leading bool
	started bool
	closed  bool
	idle    sync.Cond // on mu, when closed and nobody leads

}

// open lets writers in, after f; it is false when they are in already.
func (q *queue) open(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		return false
	}
	f()
	q.started = true
	return true
}

// push puts a write at the end and tells whether its writer has to lead.
func (q *queue) push(p *pending) (leads bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, storage.ErrClosed
	}
	if !q.started {
		return false, errNotStarted
	}
	q.waiting = append(q.waiting, p)
	leads = !q.leading
	q.leading = true
	return leads, nil
}

// take gives the leader its batch: the first of those who wait, at least one.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && n < maxBatch {
		size += len(q.waiting[n].write.Value)
		if n > 0 && size > maxBatchBytes {
			break
		}
		n++
	}
	batch := append([]*pending(nil), q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return batch
}

// next ends a leader's turn: the first of those who wait leads, if there is one.
func (q *queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		q.waiting[0].wake <- true
		return
	}
	q.leading = false
	if q.closed {
		q.idle.Broadcast()
	}
}

// close lets nobody in any more and waits for those who are.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.leading {
		q.idle.Wait()
	}
}
