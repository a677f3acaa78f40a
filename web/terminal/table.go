package terminal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/web/lifetime"
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

// ErrStopping refuses a terminal that would begin when the server ends.
var ErrStopping = messages.Errorf("the server is stopping")

// Table holds the terminals that are open.
type Table struct {
	ctx     context.Context
	grace   time.Duration
	running *lifetime.Group

	mu   sync.Mutex // guards open
	open map[string]*Terminal
}

// New gives an empty Table, whose terminals end with ctx.
func New(ctx context.Context) *Table {
	t := &Table{ctx: ctx, running: lifetime.New(ctx), grace: grace, open: map[string]*Terminal{}}
	t.running.Go(metrics.Kept(ctx, "terminal", t.sweep))
	return t
}

// Wait returns when the Table's ctx has ended, and all that it does.
func (t *Table) Wait() { t.running.Wait() }

// Len is how many terminals there are.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Owner is whose browser may look at a terminal.
type Owner struct {
	// Session is that of the browser, User its user, and As whom it acts as, empty
	// for nobody else.
	Session, User, As string
	// Done is closed when the session ends. When Expired is true then, the command
	// waits for a newer session of the same user; else it ends.
	Done    <-chan struct{}
	Expired func() bool
}

// Open runs a new command as the client's user.
func (t *Table) Open(c *client.Client, owner Owner, target Target) (*Terminal, error) {
	ctx, end := context.WithCancel(t.ctx)
	k := &Terminal{ID: newID(), owner: owner, ctx: ctx, target: target, client: c, end: end, done: make(chan struct{}), input: make(chan []byte, keys), left: time.Now()}
	k.room = sync.NewCond(&k.mu)
	if err := t.add(k); err != nil {
		end()
		return nil, err
	}
	if !t.running.Go(metrics.Guarded("terminal", func() { k.run(ctx) })) {
		t.Close(k)
		return nil, ErrStopping
	}
	t.follow(ctx, k, owner)
	return k, nil
}

// follow ends a terminal with the session of its owner, or when that has expired
// leaves it to a newer one.
func (t *Table) follow(ctx context.Context, k *Terminal, owner Owner) {
	t.running.Go(metrics.Guarded("terminal", func() {
		select {
		case <-owner.Done:
			if owner.Expired == nil || !owner.Expired() {
				t.Close(k)
				return
			}
			t.mu.Lock()
			k.orphan = true
			t.mu.Unlock()
		case <-ctx.Done():
		}
	}))
}

func (t *Table) add(k *Terminal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := 0
	for _, other := range t.open {
		if other.owner.Session == k.owner.Session && !other.hasEnded() {
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

// ErrOther refuses a terminal that was opened while the session acted as someone
// else than now.
var ErrOther = messages.Errorf("This shell was opened by another identity. It is here again when you are that one.")

// Find gives a terminal of an owner, nil when there is none. One whose session has
// expired becomes that of a newer session of the same user.
func (t *Table) Find(owner Owner, id string) (*Terminal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.open[id]
	if k == nil {
		return nil, nil
	}
	adopted := k.orphan && k.owner.User == owner.User
	switch {
	case k.owner.Session != owner.Session && !adopted:
		return nil, nil
	case k.owner.As != owner.As:
		return nil, ErrOther
	}
	if adopted {
		k.owner, k.orphan = owner, false
		t.follow(k.ctx, k, owner)
	}
	return k, nil
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
