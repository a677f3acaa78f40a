package watchcache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// Errors of a watch.
var (
	// ErrExpired means that events between the asked revision and the oldest
	// known one are gone, or that the watcher was too slow: 410 Expired.
	ErrExpired = errors.New("watchcache: the revision is older than the oldest known event")
	// ErrRemoved means that the resource is no longer there.
	ErrRemoved = errors.New("watchcache: the resource was removed")
	// ErrClosed means that the watcher was closed.
	ErrClosed = errors.New("watchcache: the watcher is closed")
)

// Bounds of a hub's memory for other encodings than the stored one.
const (
	variantLimit = 32 << 20
	frameLimit   = 16 << 20
)

// How long things are kept when memory would allow more.
const (
	sweepEvery = 30 * time.Second
	// keepEvents is the age of events beyond the newest few, keepViews that of
	// older states, after which they are given up.
	keepEvents = 10 * time.Minute
	keepViews  = 5 * time.Minute
)

// Hub holds the caches of all resources of one storage engine and feeds them.
//
// At start: Add every resource, then Start, which loads the engine's records and
// history and becomes its sink. Add and Remove work afterwards too.
type Hub struct {
	revision atomic.Int64 // the newest one that all caches show
	variants budget
	frames   budget
	now      func() time.Time

	waiters waiters

	mu       sync.Mutex // guards what follows, and the committer's side of caches
	caches   map[string]*Cache
	reader   Reader // nil before Start
	started  bool
	touched  []*Cache
	sweeper  *time.Timer
	sweeping bool
	closed   bool
	// unclaimed is what History has of resources that are not there yet.
	unclaimed *unclaimed
}

// Reader reads the records of an engine at a revision, as storage.Engine does.
type Reader interface {
	ListAt(ctx context.Context, revision int64, from, to string, f func(storage.Record) bool) error
}

// NewHub gives a hub without resources.
func NewHub() *Hub {
	return &Hub{
		variants: budget{limit: variantLimit},
		frames:   budget{limit: frameLimit, evicts: true},
		now:      time.Now,
		caches:   map[string]*Cache{},
	}
}

// recentHistory is how many of the newest revisions are read at a start, so that
// watchers can go on: storage may keep many more, for people.
const recentHistory = 5000

// Start fills the caches from an engine and becomes its sink: Load, History
// of the newest revisions, Start.
func (h *Hub) Start(ctx context.Context, e storage.Engine) error {
	loader := h.newLoader()
	position, err := e.Load(ctx, func(rec storage.Record) error {
		loader.take(rec)
		return nil
	})
	loader.close()
	if err != nil {
		return fmt.Errorf("load objects: %w", err)
	}
	since := max(position.Compacted, position.Revision-recentHistory)
	h.mu.Lock()
	h.unclaimed = newUnclaimed(since)
	h.mu.Unlock()
	err = e.History(ctx, since, func(ev storage.Event) error {
		h.History(ev)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load history since revision %d: %w", since, err)
	}
	h.Ready(position, since, e)
	return e.Start(h.Apply)
}

// Loaded says that the resources that were there before the start have all been
// added: what is known of others' past is dropped. One that is added before it
// has its recent events, if nothing has happened to it since the start.
func (h *Hub) Loaded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unclaimed = nil
}

// Load takes a record of storage before Ready. Records of resources that were
// not added are left out.
func (h *Hub) Load(rec storage.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.lookup(rec.Key); c != nil {
		c.load(rec)
	}
}

// History takes an event from before the start, after all records and in the
// order of revisions: it only fills the rings.
func (h *Hub) History(ev storage.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.lookup(ev.Key); c != nil {
		c.remember(ev)
	} else {
		h.unclaimed.keep(ev)
	}
}

// Ready ends loading: what was loaded is the state at position, and History was
// given the events after since. Resources that are added later are read from
// reader.
func (h *Hub) Ready(position storage.Position, since int64, reader Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready(position.Revision, since)
	h.reader = reader
}

func (h *Hub) ready(revision, since int64) {
	for _, c := range h.caches {
		c.ready(revision, since)
	}
	h.started = true
	h.revision.Store(max(revision, h.revision.Load()))
}

// Add adds a resource. After Start it reads the resource's records before it
// returns; an error of that is logged and leaves the resource without them.
func (h *Hub) Add(c Config) *Cache {
	cache, err := h.AddContext(context.Background(), c)
	if err != nil {
		klog.ErrorS(err, "Resource added without its objects", "prefix", c.Prefix)
	}
	return cache
}

// AddContext adds a resource, as Add does, and gives the error of reading its
// records; the resource is then not part of the hub. A prefix that is there
// already is replaced, and watchers of the old one get ErrRemoved.
func (h *Hub) AddContext(ctx context.Context, config Config) (*Cache, error) {
	c := newCache(h, config)
	h.mu.Lock()
	if old := h.caches[c.prefix]; old != nil {
		old.remove()
	}
	h.caches[c.prefix] = c
	reader := h.reader
	if reader == nil {
		if h.started {
			c.ready(h.revision.Load(), h.revision.Load())
		}
		h.mu.Unlock()
		return c, nil
	}
	c.filling = true
	revision := h.revision.Load()
	h.mu.Unlock()

	if err := h.fill(ctx, c, reader, revision); err != nil {
		h.forget(c)
		return c, fmt.Errorf("read %s: %w", c.prefix, err)
	}
	return c, nil
}

// fill reads a resource's records at a revision while its events queue up, then
// applies those.
func (h *Hub) fill(ctx context.Context, c *Cache, reader Reader, revision int64) error {
	for {
		err := reader.ListAt(ctx, revision, c.prefix, storage.PrefixEnd(c.prefix), func(rec storage.Record) bool {
			c.load(rec)
			return true
		})
		if err == nil {
			break
		}
		if newer := h.revision.Load(); !errors.Is(err, storage.ErrCompacted) || newer == revision {
			return err
		}
		revision = h.revision.Load()
		c.head = newTrees(len(c.config.Indexes))
		c.bytes.Store(0)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	since := revision
	if events, from, ok := h.unclaimed.claim(c.prefix); ok {
		since = from
		for _, ev := range events {
			c.remember(ev)
		}
	}
	c.ready(revision, since)
	now := h.now().Unix()
	for i := range c.backlog {
		if c.backlog[i].Revision > revision {
			c.stage(&c.backlog[i], now)
		}
	}
	c.publish(now)
	c.backlog, c.filling = nil, false
	return nil
}

// Remove takes a resource out: its watchers get ErrRemoved. Its snapshots stay
// usable.
func (h *Hub) Remove(prefix string) {
	h.mu.Lock()
	c := h.caches[prefix]
	h.mu.Unlock()
	if c != nil {
		h.forget(c)
	}
}

func (h *Hub) forget(c *Cache) {
	h.mu.Lock()
	if h.caches[c.prefix] == c {
		delete(h.caches, c.prefix)
	}
	h.mu.Unlock()
	c.remove()
}

// Cache gives the cache of a prefix, nil when there is none.
func (h *Hub) Cache(prefix string) *Cache {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.caches[prefix]
}

// lookup finds the cache of a storage key: GROUP/RESOURCE/ is its prefix.
func (h *Hub) lookup(key string) *Cache {
	return h.caches[prefixOf(key)]
}

// Apply takes a batch of committed events; it is the engine's sink. When it
// returns, every cache shows them and Revision is the last one's.
//
// The order inside is what makes snapshots exact without a lock: first the state
// of every touched cache, then its events, at last the revision of all. Who
// reads the revision first and then a cache's state has all of that revision's
// events in it.
func (h *Hub) Apply(events []storage.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	if !h.started {
		h.ready(0, 0)
	}
	now := h.now().Unix()
	touched := h.stage(events, now)
	for _, c := range touched {
		c.publish(now)
	}
	h.revision.Store(events[len(events)-1].Revision)
	for _, c := range touched {
		c.touched = false
		c.watch.signal()
	}
	h.armSweep()
	h.mu.Unlock()
	h.waiters.wake(h.revision.Load())
}

// stage hands the events to their caches and gives those that have some.
func (h *Hub) stage(events []storage.Event, now int64) []*Cache {
	h.touched = h.touched[:0]
	for i := range events {
		c := h.lookup(events[i].Key)
		switch {
		case c == nil:
			h.unclaimed.spoil(events[i].Key)
			continue
		case c.filling:
			c.backlog = append(c.backlog, events[i])
			continue
		case !c.touched:
			c.touched = true
			h.touched = append(h.touched, c)
		}
		c.stage(&events[i], now)
	}
	return h.touched
}

// Revision gives the newest revision that all caches show.
func (h *Hub) Revision() int64 { return h.revision.Load() }

// WaitFor waits until all caches show a revision, or gives the context's error.
func (h *Hub) WaitFor(ctx context.Context, revision int64) error {
	if h.revision.Load() >= revision {
		return nil
	}
	w := h.waiters.add(revision)
	defer h.waiters.remove(w)
	if h.revision.Load() >= revision {
		return nil
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the hub: all watchers get ErrRemoved. It is idempotent. The engine
// is to be closed first.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	if h.sweeper != nil {
		h.sweeper.Stop()
	}
	caches := h.caches
	h.caches = map[string]*Cache{}
	h.mu.Unlock()
	for _, c := range caches {
		c.remove()
	}
}
