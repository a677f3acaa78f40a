package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sort"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/lifetime"
	"pilothouse/web/messages"
)

// Bounds of jobs.
const (
	maxRunning  = 32
	maxKept     = 200
	workers     = 8
	keptFor     = time.Hour
	maxFailures = 10_000
	// maxHeld and maxHeldItems are how much of one owner may be held at a time,
	// maxHeldAll how many jobs of all.
	maxHeld      = 10
	maxHeldItems = 100_000
	maxHeldAll   = 200
)

// What Start is refused with.
var (
	// ErrBusy tells that too much is going on already.
	ErrBusy = messages.Errorf("too many jobs are running; wait for one of them to end")
	// ErrHeld tells that too much waits already.
	ErrHeld = messages.Errorf("too much waits to be deleted already; let it be deleted now, or wait a moment")
	// ErrStopping tells that the server stops.
	ErrStopping = messages.Errorf("the server is stopping")
)

// Table holds the jobs of a server.
type Table struct {
	ctx context.Context
	// hurry is closed when nothing is held any longer.
	hurry chan struct{}

	mu       sync.Mutex // guards the fields below; taken before a job's
	jobs     map[string]*Job
	stopping bool
	// held are, by their owners, the jobs that were held and have not ended.
	held     map[string][]*Job
	watchers map[string]map[int]func()
	next     int

	running *lifetime.Group
}

// New gives an empty Table whose jobs end with ctx.
func New(ctx context.Context) *Table {
	return &Table{ctx: ctx, running: lifetime.New(ctx), hurry: make(chan struct{}), jobs: map[string]*Job{}, held: map[string][]*Job{}, watchers: map[string]map[int]func(){}}
}

// Wait returns when the Table's ctx has ended, and every job.
func (t *Table) Wait() { t.running.Wait() }

// Start begins a job, or has it wait.
func (t *Table) Start(w Work) (*Job, error) {
	j, err := t.add(w)
	if err != nil {
		return nil, err
	}
	t.changed(w.Owner)
	return j, nil
}

func (t *Table) add(w Work) (*Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(&w); err != nil {
		return nil, err
	}
	id := make([]byte, 12)
	rand.Read(id) //nolint:errcheck // crypto/rand never fails
	ctx, cancel := context.WithCancel(t.ctx)
	j := &Job{
		ID: hex.EncodeToString(id), Work: w, table: t, cancel: cancel, now: make(chan struct{}), over: make(chan struct{}), began: time.Now(),
		held: w.Hold > 0, running: true, until: time.Now().Add(w.Hold), states: slices.Repeat([]State{Waiting}, len(w.Items)), notes: map[int]string{}, watchers: map[int]func(){},
	}
	if j.held {
		j.uids = uids(j.Items)
	}
	began := t.running.Go(metrics.Guarded("dashboard", func() {
		defer cancel()
		j.run(ctx)
	}))
	if !began {
		cancel()
		return nil, ErrStopping
	}
	t.jobs[j.ID] = j
	if w.Hold > 0 {
		t.held[w.Owner] = append(t.held[w.Owner], j)
	}
	return j, nil
}

// room drops jobs that ended long ago and tells whether another one may start.
// t.mu is held.
func (t *Table) room(w *Work) error {
	running, waiting := 0, 0
	for id, j := range t.jobs {
		j.mu.Lock()
		switch {
		case j.held:
			waiting++
		case j.running:
			running++
		case time.Since(j.ended) > keptFor || len(t.jobs) > maxKept:
			delete(t.jobs, id)
		}
		j.mu.Unlock()
	}
	items := len(w.Items)
	for _, j := range t.held[w.Owner] {
		items += len(j.Items)
	}
	switch {
	case t.stopping:
		return ErrStopping
	case w.Hold == 0 && running >= maxRunning:
		return ErrBusy
	case w.Hold > 0 && (len(t.held[w.Owner]) >= maxHeld || waiting >= maxHeldAll || items > maxHeldItems):
		return ErrHeld
	}
	return nil
}

// Find gives a job of a user, nil when there is none.
func (t *Table) Find(owner, id string) *Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	if j := t.jobs[id]; j != nil && j.Owner == owner {
		return j
	}
	return nil
}

// Of gives the jobs of an owner, the newest first.
func (t *Table) Of(owner string) []*Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Job
	for _, j := range t.jobs {
		if j.Owner == owner {
			list = append(list, j)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[j].began.Before(list[i].began) })
	return list
}

// Watch has wake called when a job of an owner begins to wait, is begun, ends or
// has been seen, until stop is called; wake must not wait.
func (t *Table) Watch(owner string, wake func()) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.next
	t.next++
	if t.watchers[owner] == nil {
		t.watchers[owner] = map[int]func(){}
	}
	t.watchers[owner][id] = wake
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watchers[owner], id)
		if len(t.watchers[owner]) == 0 {
			delete(t.watchers, owner)
		}
	}
}

// changed lets go of what need not be marked any more, and tells those who watch.
func (t *Table) changed(owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[owner] = slices.DeleteFunc(t.held[owner], func(j *Job) bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return !j.running
	})
	if len(t.held[owner]) == 0 {
		delete(t.held, owner)
	}
	for _, f := range t.watchers[owner] {
		f()
	}
}
