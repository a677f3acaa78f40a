package terminal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/web/messages"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// Bounds of a Table.
const (
	mostOfSession = 32
	mostOfAll     = 1000
	// grace is how long a command goes on when nobody looks, or how long the last
	// words of one that has ended are kept.
	grace = 2 * time.Minute
	// sweepInterval is how often terminals that nobody looks at are ended.
	sweepInterval = 10 * time.Second
)

// ErrTooMany refuses another terminal.
var ErrTooMany = messages.Errorf("there are too many shells open; close one of them")

// Table holds the terminals that are open.
type Table struct {
	ctx     context.Context
	grace   time.Duration
	running sync.WaitGroup

	mu   sync.Mutex // guards open
	open map[string]*Terminal
}

// New gives an empty Table, whose terminals end with ctx.
func New(ctx context.Context) *Table {
	t := &Table{ctx: ctx, grace: grace, open: map[string]*Terminal{}}
	t.running.Go(metrics.Kept(ctx, "terminal", t.sweep))
	return t
}

// Wait waits until nothing of the table goes on, after its ctx has ended.
func (t *Table) Wait() { t.running.Wait() }

// Len is how many terminals there are.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Open runs a new command as the client's user. owner is the session whose
// browser may look at it; the terminal ends when done is closed.
func (t *Table) Open(c *client.Client, owner string, done <-chan struct{}, target Target) (*Terminal, error) {
	ctx, end := context.WithCancel(t.ctx)
	k := &Terminal{ID: newID(), owner: owner, target: target, client: c, end: end, done: make(chan struct{}), input: make(chan []byte, keys), left: time.Now()}
	k.room = sync.NewCond(&k.mu)
	if err := t.add(k); err != nil {
		end()
		return nil, err
	}
	t.running.Go(metrics.Guarded("terminal", func() { k.run(ctx) }))
	t.running.Go(metrics.Guarded("terminal", func() {
		select {
		case <-done:
			t.Close(k)
		case <-ctx.Done():
		}
	}))
	return k, nil
}

func (t *Table) add(k *Terminal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := 0
	for _, other := range t.open {
		if other.owner == k.owner && !other.hasEnded() {
			of++
		}
	}
	if of >= mostOfSession || len(t.open) >= mostOfAll {
		return ErrTooMany
	}
	t.open[k.ID] = k
	return nil
}

func (t *Terminal) hasEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome != nil
}

// Find gives a terminal of a session, nil when there is none.
func (t *Table) Find(owner, id string) *Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.open[id]; k != nil && k.owner == owner {
		return k
	}
	return nil
}

// Close ends a terminal and forgets it.
func (t *Table) Close(k *Terminal) {
	t.mu.Lock()
	delete(t.open, k.ID)
	t.mu.Unlock()
	k.end()
}

// sweep ends the terminals that nobody has looked at for a while.
func (t *Table) sweep() {
	tick := time.NewTicker(min(sweepInterval, t.grace))
	defer tick.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case now := <-tick.C:
			for _, k := range t.forgotten(now) {
				t.Close(k)
			}
		}
	}
}

func (t *Table) forgotten(now time.Time) []*Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Terminal
	for _, k := range t.open {
		k.mu.Lock()
		if k.viewer == nil && now.Sub(k.left) > t.grace {
			list = append(list, k)
		}
		k.mu.Unlock()
	}
	return list
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b) //nolint:errcheck // crypto/rand never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
