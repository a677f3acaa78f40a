package jobs

import (
	"context"
	"slices"
	"time"
)

// How long the owner of work that has ended is told of it: what failed until
// they have seen it.
const (
	toldFor       = 10 * time.Second
	toldFailedFor = 10 * time.Minute
)

// uids are those of the objects of items.
func uids(items []Item) map[string]struct{} {
	out := make(map[string]struct{}, len(items))
	for _, item := range items {
		if item.UID != "" {
			out[item.UID] = struct{}{}
		}
	}
	return out
}

// await waits as long as the job is held, and tells whether it is to be done.
func (j *Job) await(ctx context.Context) bool {
	if j.Hold <= 0 {
		return true
	}
	timer := time.NewTimer(j.Hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.now:
	case <-j.table.hurry:
	case <-ctx.Done(): // the server has ended without Finish: what is not deleted is safe
		j.mu.Lock()
		j.held = false
		j.mu.Unlock()
		return false
	}
	if !j.begin() {
		return false
	}
	j.table.changed(j.Owner)
	return true
}

// begin ends the wait, unless the job was cancelled before.
func (j *Job) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.held {
		return false
	}
	j.held = false
	j.wake()
	return true
}

// Release begins what is held now.
func (j *Job) Release() { j.release.Do(func() { close(j.now) }) }

// See takes down that the owner knows how the job has ended.
func (j *Job) See() {
	j.mu.Lock()
	j.seen = true
	j.mu.Unlock()
	j.table.changed(j.Owner)
}

// Await returns when the job has ended, or ctx.
func (j *Job) Await(ctx context.Context) {
	select {
	case <-j.over:
	case <-ctx.Done():
	}
}

// Marks are the objects on which work of one owner waits or goes on.
type Marks []*Job

// Marks gives those of an owner.
func (t *Table) Marks(owner string) Marks {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.held[owner])
}

// On tells whether work on an object waits or goes on.
func (m Marks) On(uid string) bool {
	for _, j := range m {
		if _, ok := j.uids[uid]; ok {
			return true
		}
	}
	return false
}

// Told gives the jobs with a Subject that an owner is to know of now, the newest first: those that
// wait or go on, those that ended a moment ago, and those that failed and that
// they have not seen.
func (t *Table) Told(owner string) []*Job {
	return slices.DeleteFunc(t.Of(owner), func(j *Job) bool { return j.Subject == "" || !j.tells() })
}

func (j *Job) tells() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.running:
		return true
	case j.seen:
		return false
	case j.failed > 0:
		return time.Since(j.ended) < toldFailedFor
	}
	return time.Since(j.ended) < toldFor
}

// ToldFor is how long yet the owner of a job that went well is told of it.
func (p *Progress) ToldFor() time.Duration { return max(0, toldFor-p.Since) }

// Finish begins what is held and returns when that has ended, or ctx; nothing
// can be started any more.
func (t *Table) Finish(ctx context.Context) {
	t.mu.Lock()
	if !t.stopping {
		t.stopping = true
		close(t.hurry)
	}
	var held []*Job
	for _, list := range t.held {
		held = append(held, list...)
	}
	t.mu.Unlock()
	for _, j := range held {
		j.Await(ctx)
	}
}
