// Package flowcontrol is API Priority and Fairness: FlowSchemas say which
// priority level a request belongs to and which flow of it, levels say how much
// of the server each may have at a time, and what is over that waits in fair
// queues or is refused with 429
// (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/,
// KEP-1040). Read flowcontrol.go first, then classify.go, level.go (seats and
// queues) and borrow.go (who lends seats to whom).
package flowcontrol

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Options are what a Controller is made with.
type Options struct {
	// Seats is how many the server has: requests at the same time, of which
	// large lists take several.
	Seats int
	// Timeout is how long a request may take; it waits at most a quarter of it.
	Timeout time.Duration
	// Count tells how many objects a list would look at; nil: every list takes
	// one seat.
	Count func(info *request.Info) int
	// Clock is the time; nil for the real one.
	Clock func() time.Time
}

// Controller decides which requests run now. Levels and schemas come by
// SetLevel and SetSchema, whenever they change.
type Controller struct {
	o     Options
	rules atomic.Pointer[rules]

	mu      sync.Mutex // guards the objects, and one rebuild at a time
	schemas map[string]*flowcontrolv1.FlowSchema
	configs map[string]*flowcontrolv1.PriorityLevelConfiguration
	levels  map[string]*level
	gone    []*level // removed, with requests that still run
	counts  map[string]*counts
}

// New gives a Controller that lets everything through until it has a schema.
func New(o Options) *Controller {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	c := &Controller{
		o:       o,
		schemas: map[string]*flowcontrolv1.FlowSchema{},
		configs: map[string]*flowcontrolv1.PriorityLevelConfiguration{},
		levels:  map[string]*level{},
		counts:  map[string]*counts{},
	}
	c.rules.Store(&rules{})
	register(c)
	return c
}

// SetSchema takes a FlowSchema's new state, nil when it was deleted.
func (c *Controller) SetSchema(name string, s *flowcontrolv1.FlowSchema) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil {
		delete(c.schemas, name)
		delete(c.counts, name)
	} else {
		c.schemas[name] = s
	}
	c.rebuild()
}

// SetLevel takes a PriorityLevelConfiguration's new state, nil when it was
// deleted.
func (c *Controller) SetLevel(name string, l *flowcontrolv1.PriorityLevelConfiguration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l == nil {
		delete(c.configs, name)
	} else {
		c.configs[name] = l
	}
	c.rebuild()
}

// rebuild brings the levels and the rules in line with the objects.
func (c *Controller) rebuild() {
	for name, l := range c.levels {
		if c.configs[name] == nil {
			l.retire()
			c.gone = append(c.gone, l)
			delete(c.levels, name)
		}
	}
	shares := int32(0)
	for _, config := range c.configs {
		shares += nominalShares(config)
	}
	for name, config := range c.configs {
		if c.levels[name] == nil {
			c.levels[name] = newLevel(name, c.o.Clock)
		}
		c.levels[name].configure(config, c.o.Seats, shares)
	}
	c.rules.Store(compile(c.schemas, c.levels, c.counts))
}

// maxWidth is the most seats that one request takes.
const maxWidth = 10

// objectsPerSeat is how many objects a list goes over for one seat. It is ten
// times kube-apiserver's: a list here takes less than a tenth of its time.
const objectsPerSeat = 1000

func (c *Controller) width(info *request.Info) int {
	if info.Verb != "list" || c.o.Count == nil {
		return 1
	}
	return min(1+c.o.Count(info)/objectsPerSeat, maxWidth)
}

// Refusals. What the client reads is kube-apiserver's.
var (
	errFull    = errors.New("queue-full")
	errBusy    = errors.New("concurrency-limit")
	errTimeout = errors.New("time-out")
)

// Filter lets requests wait for their turn, and refuses those that may not wait.
// Watches, logs and the like hold no seat: they cost nothing once they are open.
func (c *Controller) Filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		s := c.rules.Load().classify(r)
		if s == nil {
			return next(ctx, r)
		}
		r.FlowSchema, r.PriorityLevel = s.uid, s.level.uid()
		if r.Info.LongRunning() {
			return next(ctx, r)
		}
		if s.level.exempt.Load() {
			s.level.running.Add(1)
			defer s.level.running.Add(-1)
			s.dispatched.Add(1)
			return next(ctx, r)
		}
		t := ticket{schema: s, flow: s.flow(r), width: c.width(&r.Info), request: r}
		if err := s.level.start(ctx, &t, c.o.Timeout/4); err != nil {
			s.refuse(err)
			return nil, apierrors.NewTooManyRequests("Too many requests, please try again later.", 1)
		}
		s.dispatched.Add(1)
		defer s.level.finish(&t)
		return next(ctx, r)
	}
}
