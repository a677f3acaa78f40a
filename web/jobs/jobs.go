// Package jobs owns work on many objects that goes on after the request that
// began it: whether it still waits, how far it is, what failed, and how to end
// it. It knows no API and no HTML. Read jobs.go first (a job and its items), then
// table.go (the jobs of a server) and held.go (jobs that wait).
package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/metrics"
)

// Work is what a job is to do.
type Work struct {
	// Owner is whose it is, Title what it does, Back the page that it came from.
	Owner, Title, Back string
	// Subject is what it is done to: "Pod web-7". The owner of work that has one is told of it
	// wherever they are, see Table.Told.
	Subject string
	// Past is the page with what the object was, for work on one object; empty
	// for none.
	Past  string
	Items []Item
	// Hold is how long the work waits for its owner to think better of it.
	Hold time.Duration
	// InOrder has each item begun when the one before has ended.
	InOrder bool
	// Detail is what the page of the work knows of it besides; it is kept as long
	// as the job.
	Detail any
}

// Item is the work on one object.
type Item struct {
	Text, Href string
	// UID is the object's, for Marks.
	UID string
	// Run does it. The note is what is to be said of it though it went well.
	Run func(ctx context.Context) (note string, err error)
}

// State is how far one item is.
type State byte

// The states of an item.
const (
	Waiting State = 'w'
	Working State = 'r'
	Done    State = 'd'
	Failed  State = 'f'
)

// Failure is an item that failed.
type Failure struct {
	Item
	// Index is its place among the job's items.
	Index int
	Err   error
}

// Job is work that is held, goes on, or has ended.
//
//	held ── Release, time ──> running ──> ended
//	  └──── Cancel ─────────────────────> ended, with nothing begun
type Job struct {
	ID string
	Work

	table  *Table
	cancel context.CancelFunc
	// now is closed when the job need not wait any longer, over when it has ended.
	now, over chan struct{}
	release   sync.Once
	began     time.Time
	// uids are the objects of a job that was held.
	uids map[string]struct{}

	mu        sync.Mutex // guards the fields below
	held      bool
	running   bool
	until     time.Time // when it is begun, while it is held
	done      int
	failed    int
	failures  []Failure
	notes     map[int]string
	states    []State
	log       []int32 // the items whose states have changed, in that order
	cancelled bool
	kept      bool
	seen      bool
	ended     time.Time
	watchers  map[int]func()
	next      int
}

// Progress is how far a job is.
type Progress struct {
	// Held tells that it waits, Left for how long yet. What is Held is Running,
	// too: it has not ended.
	Held bool
	Left time.Duration
	// Kept tells that it was cancelled while it was held: nothing has been done.
	Kept               bool
	Done, Failed       int
	Failures           []Failure
	Running, Cancelled bool
	// Since is how long ago it ended.
	Since time.Duration
}

// run does the work, once it need not wait any more.
func (j *Job) run(ctx context.Context) {
	if j.await(ctx) {
		j.work(ctx)
	}
	j.mu.Lock()
	j.running, j.cancelled, j.ended = false, j.done < j.Total(), time.Now()
	j.wake()
	j.mu.Unlock()
	close(j.over)
	j.table.changed(j.Owner)
}

func (j *Job) work(ctx context.Context) {
	work := make(chan int)
	var group sync.WaitGroup
	n := workers
	if j.InOrder {
		n = 1
	}
	for range n {
		group.Go(metrics.Guarded("dashboard", func() {
			for i := range work {
				j.note(i, Working, "", nil)
				note, err := j.Items[i].Run(ctx)
				j.Items[i].Run = nil // with what it held
				j.note(i, Done, note, err)
			}
		}))
	}
	defer group.Wait()
	defer close(work)
	for i := 0; i < len(j.Items) && ctx.Err() == nil; i++ {
		select {
		case work <- i:
		case <-ctx.Done():
		}
	}
}

// note takes down how far an item is.
func (j *Job) note(i int, s State, note string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s == Done {
		j.done++
	}
	if err != nil {
		s = Failed
		j.failed++
		if len(j.failures) < maxFailures {
			j.failures = append(j.failures, Failure{j.Items[i], i, err})
		}
	}
	if note != "" && len(j.notes) < maxFailures {
		j.notes[i] = note
	}
	j.states[i] = s
	j.log = append(j.log, int32(i))
	j.wake()
}

// wake tells those who watch. j.mu is held.
func (j *Job) wake() {
	for _, f := range j.watchers {
		f()
	}
}

// Began is when it was started, or began to wait.
func (j *Job) Began() time.Time { return j.began }

// Total is the number of its items.
func (j *Job) Total() int { return len(j.states) }

// Cancel lets what has begun end and begins nothing more. It tells whether
// nothing was begun and nothing will be.
func (j *Job) Cancel() bool {
	j.mu.Lock()
	if j.held {
		j.held, j.kept = false, true
	}
	kept := j.kept
	j.mu.Unlock()
	j.cancel()
	if kept {
		<-j.over // whoever asks next finds it ended
	}
	return kept
}

// Progress gives how far the job is.
func (j *Job) Progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := Progress{
		Held: j.held, Kept: j.kept, Done: j.done, Failed: j.failed, Failures: j.failures[:len(j.failures):len(j.failures)],
		Running: j.running, Cancelled: j.cancelled,
	}
	if j.held {
		p.Left = max(0, time.Until(j.until))
	}
	if !j.running {
		p.Since = time.Since(j.ended)
	}
	return p
}

// States gives the states of the first n items, with the notes on them.
func (j *Job) States(n int) ([]State, map[int]string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	notes := map[int]string{}
	for i, note := range j.notes {
		if i < n {
			notes[i] = note
		}
	}
	return slices.Clone(j.states[:min(n, len(j.states))]), notes
}

// ItemState is an item that is in another state now: Note is what there is to say
// of one that went well, Err why one failed.
type ItemState struct {
	Index int
	State State
	Note  string
	Err   error
}

// Since gives which of the first n items have changed after the first at
// changes, and how many changes there are now.
func (j *Job) Since(at, n int) (changed []ItemState, now int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	told := map[int32]bool{}
	for _, i := range j.log[min(at, len(j.log)):] {
		if int(i) < n && !told[i] {
			told[i] = true
			changed = append(changed, ItemState{Index: int(i), State: j.states[i], Note: j.notes[int(i)]})
		}
	}
	why := map[int]error{}
	for _, f := range j.failures {
		if told[int32(f.Index)] {
			why[f.Index] = f.Err
		}
	}
	for i := range changed {
		changed[i].Err = why[changed[i].Index]
	}
	return changed, len(j.log)
}

// Note gives what is to be said of an item that went well.
func (j *Job) Note(i int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.notes[i]
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
