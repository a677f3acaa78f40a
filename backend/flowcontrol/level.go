package flowcontrol

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

// guess is how long a request is taken to last, in seconds, until it has ended:
// queues are charged by it when they start one, and get back what was too much.
const guess = 0.003

// level is a PriorityLevelConfiguration at work.
type level struct {
	name    string
	clock   func() time.Time
	exempt  atomic.Bool
	running atomic.Int64 // of an exempt level
	id      atomic.Pointer[string]

	mu           sync.Mutex // guards the rest
	bounds       bounds
	limit        int // seats at the moment
	inUse        int // seats
	queues       []queue
	rejects      bool // has no queues: what is over the limit is refused
	hand         int
	depth        int // of one queue
	waiting      int // requests in queues
	seatsWaiting int
	executing    int
	active       int // queues with requests that wait or run
	retired      bool

	// virtual is the time that a queue would have been served for if all were
	// served at once (fair queuing); at is when it was worked out.
	virtual float64
	at      time.Time

	demand demand
	waits  waits
}

// queue is one of a level's. Requests of a flow go to one of a few of them.
type queue struct {
	waiting   []*ticket
	seats     int     // of those that wait
	executing int     // requests that came through it
	start     float64 // virtual time at which its next request begins
}

// ticket is one request on its way.
type ticket struct {
	schema  *schema
	request *request.Request
	flow    uint64
	width   int

	queue   *queue        // nil on a level without queues
	turn    chan struct{} // closed when it may run; nil when it need not wait
	arrived time.Time
	started time.Time
}

func newLevel(name string, clock func() time.Time) *level {
	l := &level{name: name, clock: clock, at: clock()}
	l.demand.reset(l.at)
	return l
}

func (l *level) uid() string {
	if id := l.id.Load(); id != nil {
		return *id
	}
	return ""
}

// configure takes a new state of the level's object.
func (l *level) configure(c *flowcontrolv1.PriorityLevelConfiguration, seats int, shares int32) {
	id := string(c.UID)
	l.id.Store(&id)
	l.exempt.Store(c.Spec.Type == flowcontrolv1.PriorityLevelEnablementExempt)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds = boundsOf(c, seats, shares)
	l.limit = l.bounds.nominal
	queuing := (*flowcontrolv1.QueuingConfiguration)(nil)
	if limited := c.Spec.Limited; limited != nil && limited.LimitResponse.Type == flowcontrolv1.LimitResponseTypeQueue {
		queuing = limited.LimitResponse.Queuing
	}
	l.rejects = queuing == nil
	if queuing != nil {
		l.hand, l.depth = int(queuing.HandSize), int(queuing.QueueLengthLimit)
		// Queues that are in use stay until they are empty: only a level at
		// rest gets another number of them.
		if n := int(queuing.Queues); n != len(l.queues) && l.active == 0 {
			l.queues = make([]queue, n)
		}
	}
	l.dispatch()
}

// retire ends a level whose object was deleted: what waits may run.
func (l *level) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired, l.limit = true, math.MaxInt32
	l.dispatch()
}

// start gives a request its seats, at once or after waiting for at most most.
func (l *level) start(ctx context.Context, t *ticket, most time.Duration) error {
	l.mu.Lock()
	now := l.clock()
	t.arrived = now
	free := l.inUse == 0 || l.inUse+t.width <= l.limit
	if len(l.queues) > 0 && !l.rejects {
		l.advance(now)
		t.queue = l.choose(t.flow)
	}
	switch {
	case free && l.waiting == 0:
		l.run(t, now)
		l.mu.Unlock()
		return nil
	case t.queue == nil:
		l.mu.Unlock()
		return errBusy
	case len(t.queue.waiting) >= l.depth:
		l.mu.Unlock()
		return errFull
	}
	t.turn = make(chan struct{})
	l.enqueue(t, now)
	l.dispatch()
	l.mu.Unlock()
	return l.await(ctx, t, most)
}

func (l *level) await(ctx context.Context, t *ticket, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-t.turn:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.drop(t) {
		return nil // its turn came in the meantime
	}
	return errTimeout
}

// choose gives the least busy of the few queues that a flow may use. They are
// dealt like cards, by the flow's number: two flows share few of them (shuffle
// sharding).
func (l *level) choose(flow uint64) *queue {
	var dealt [maxHand]int // in ascending order
	var best *queue
	for i := range min(l.hand, len(l.queues), maxHand) {
		rest := uint64(len(l.queues) - i)
		card, at := int(flow%rest), 0
		flow /= rest
		for at < i && dealt[at] <= card { // it is counted among those that are left
			card++
			at++
		}
		copy(dealt[at+1:i+1], dealt[at:i])
		dealt[at] = card
		if q := &l.queues[card]; best == nil || q.load() < best.load() {
			best = q
		}
	}
	return best
}

// maxHand is more than any hand: validation wants flows to be told apart by 60
// bits at the most.
const maxHand = 32

// load is how busy a queue is: those that wait count more than those that run.
func (q *queue) load() int { return q.seats*1000 + q.executing }

func (q *queue) idle() bool { return q.executing == 0 && len(q.waiting) == 0 }

// advance moves virtual time on: seats are shared by the queues that are active.
func (l *level) advance(now time.Time) {
	if l.active > 0 {
		rate := float64(min(l.limit, l.inUse+l.seatsWaiting)) / float64(l.active)
		l.virtual += rate * now.Sub(l.at).Seconds()
	}
	l.at = now
}

// wake makes an idle queue active, not earlier than now.
func (l *level) wake(q *queue) {
	if q.idle() {
		l.active++
		q.start = max(q.start, l.virtual)
	}
}

func (l *level) rest(q *queue) {
	if q.idle() {
		l.active--
	}
}

func (l *level) enqueue(t *ticket, now time.Time) {
	l.wake(t.queue)
	t.queue.waiting = append(t.queue.waiting, t)
	t.queue.seats += t.width
	l.waiting++
	l.seatsWaiting += t.width
	l.demand.set(l.inUse+l.seatsWaiting, now)
}

// drop takes a request out of its queue; false when it is not there any more.
func (l *level) drop(t *ticket) bool {
	for i, w := range t.queue.waiting {
		if w == t {
			l.advance(l.clock())
			l.take(t.queue, i)
			l.rest(t.queue)
			l.demand.set(l.inUse+l.seatsWaiting, l.at)
			return true
		}
	}
	return false
}

func (l *level) take(q *queue, i int) *ticket {
	t := q.waiting[i]
	q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
	q.seats -= t.width
	l.waiting--
	l.seatsWaiting -= t.width
	return t
}

// run gives a request its seats and charges its queue.
func (l *level) run(t *ticket, now time.Time) {
	if t.queue != nil {
		l.wake(t.queue)
		t.queue.executing++
		t.queue.start += float64(t.width) * guess
	}
	l.inUse += t.width
	l.executing++
	t.started = now
	l.demand.set(l.inUse+l.seatsWaiting, now)
}

// dispatch starts what may run, the queue first that got least so far.
func (l *level) dispatch() {
	if l.waiting == 0 {
		return
	}
	now := l.clock()
	l.advance(now)
	for l.waiting > 0 {
		var next *queue
		for i := range l.queues {
			if q := &l.queues[i]; len(q.waiting) > 0 && (next == nil || q.finish() < next.finish()) {
				next = q
			}
		}
		if t := next.waiting[0]; l.inUse > 0 && l.inUse+t.width > l.limit {
			return
		}
		t := l.take(next, 0)
		next.executing++
		next.start += float64(t.width) * guess
		l.inUse += t.width
		l.executing++
		t.started = now
		l.waits.add(now.Sub(t.arrived))
		close(t.turn)
	}
	l.demand.set(l.inUse+l.seatsWaiting, now)
}

// finish is the virtual time at which the queue's next request would end.
func (q *queue) finish() float64 { return q.start + float64(q.waiting[0].width)*guess }

// finish gives a request's seats back.
func (l *level) finish(t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	l.advance(now)
	l.inUse -= t.width
	l.executing--
	if q := t.queue; q != nil {
		q.executing--
		q.start += float64(t.width) * (now.Sub(t.started).Seconds() - guess)
		l.rest(q)
	}
	l.demand.set(l.inUse+l.seatsWaiting, now)
	l.dispatch()
}

// waits are how long requests waited that did.
type waits struct {
	n       int64
	seconds float64
}

func (w *waits) add(d time.Duration) {
	w.n++
	w.seconds += d.Seconds()
}
