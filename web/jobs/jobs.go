// Package jobs owns work on many objects that goes on after the request that
// began it: how far it is, what failed, and how to end it. It knows no API and
// no HTML.
package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/messages"
)

// Bounds of jobs.
const (
	maxRunning  = 32
	maxKept     = 200
	workers     = 8
	keptFor     = time.Hour
	maxFailures = 10_000
)

// ErrBusy tells that too much is going on already.
var ErrBusy = messages.Errorf("too many jobs are running; wait for one of them to end")

// Item is the work on one object.
type Item struct {
	Text, Href string
	Run        func(ctx context.Context) error
}

// Failure is an item that failed.
type Failure struct {
	Item
	Err error
}

// Job is work that goes on.
type Job struct {
	ID, Owner, Title, Back string
	Total                  int

	cancel context.CancelFunc

	mu        sync.Mutex // guards the fields below
	done      int
	failures  []Failure
	failed    int
	running   bool
	cancelled bool
	ended     time.Time
	watchers  map[int]func()
	next      int
}

// Progress is how far a job is.
type Progress struct {
	Done, Failed       int
	Failures           []Failure
	Running, Cancelled bool
}

// Table holds the jobs of a server.
type Table struct {
	ctx context.Context

	mu      sync.Mutex // guards jobs
	jobs    map[string]*Job
	running sync.WaitGroup
}

// New gives an empty Table whose jobs end with ctx.
func New(ctx context.Context) *Table { return &Table{ctx: ctx, jobs: map[string]*Job{}} }

// Wait returns when no job is running any more; the Table's ctx has to end
// first.
func (t *Table) Wait() { t.running.Wait() }

// Start begins a job of a user.
func (t *Table) Start(owner, title, back string, items []Item) (*Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room() {
		return nil, ErrBusy
	}
	id := make([]byte, 12)
	rand.Read(id) //nolint:errcheck // crypto/rand never fails
	ctx, cancel := context.WithCancel(t.ctx)
	j := &Job{ID: hex.EncodeToString(id), Owner: owner, Title: title, Back: back, Total: len(items), cancel: cancel, running: true, watchers: map[int]func(){}}
	t.jobs[j.ID] = j
	t.running.Go(metrics.Guarded("dashboard", func() {
		defer cancel()
		j.run(ctx, items)
	}))
	return j, nil
}

// room drops jobs that ended long ago and tells whether another one may start.
func (t *Table) room() bool {
	running := 0
	for id, j := range t.jobs {
		j.mu.Lock()
		switch {
		case j.running:
			running++
		case time.Since(j.ended) > keptFor || len(t.jobs) > maxKept:
			delete(t.jobs, id)
		}
		j.mu.Unlock()
	}
	return running < maxRunning
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

func (j *Job) run(ctx context.Context, items []Item) {
	work := make(chan Item)
	var group sync.WaitGroup
	for range workers {
		group.Go(metrics.Guarded("dashboard", func() {
			for item := range work {
				j.note(item, item.Run(ctx))
			}
		}))
	}
	for _, item := range items {
		select {
		case work <- item:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	group.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running, j.cancelled, j.ended = false, j.done < j.Total, time.Now()
	j.wake()
}

func (j *Job) note(item Item, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done++
	if err != nil {
		j.failed++
		if len(j.failures) < maxFailures {
			j.failures = append(j.failures, Failure{item, err})
		}
	}
	j.wake()
}

// wake tells those who watch. j.mu is held.
func (j *Job) wake() {
	for _, f := range j.watchers {
		f()
	}
}

// Cancel lets what has begun end and begins nothing more.
func (j *Job) Cancel() { j.cancel() }

// Progress gives how far the job is.
func (j *Job) Progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Progress{Done: j.done, Failed: j.failed, Failures: j.failures[:len(j.failures):len(j.failures)], Running: j.running, Cancelled: j.cancelled}
}

// Watch has wake called at every change until stop is called; wake must not
// wait.
func (j *Job) Watch(wake func()) (stop func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	id := j.next
	j.next++
	j.watchers[id] = wake
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.watchers, id)
	}
}
