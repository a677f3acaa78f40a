package quota

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// Ledger keeps the accounts. A write is charged in three steps:
//
//	finish, err := ledger.Charge(ctx, a)   // status.used is written, or it doesn't fit
//	...commit the object...
//	finish(committed)                      // a write that failed gives its charge back
//
// Between the first and the last step the write is "in flight": status.used has
// it, the objects don't. A recount adds what is in flight to what it counts, so
// nobody is admitted into room that is already taken. All charges and recounts
// of one namespace happen one after the other; those that wait are taken
// together and cost one write of each quota.
//
// Example, a quota of 2 pods with 1 used: A and B are created at the same time.
// Whoever leads takes both: A fits, used becomes 2, B is refused. A's commit
// fails: finish(false) drops it and tells Stale; the recount counts 1.
type Ledger struct {
	o        Options
	pods     *evaluator
	counters sync.Map // GroupResource: *evaluator

	mu     sync.Mutex // guards spaces and each space's users
	spaces map[string]*space

	staleMu sync.Mutex // guards stale
	stale   func(ns string)
}

// Options are what a Ledger works with.
type Options struct {
	Registry *registry.Registry
	Clock    registry.Clock
	// Track records in obj's managedFields what the server has changed; nil
	// leaves them as they are.
	Track func(r *registry.Resource, version, subresource string, live, obj scheme.Object, manager string) (scheme.Object, error)
}

// New gives a Ledger.
func New(o Options) *Ledger {
	return &Ledger{o: o, pods: podEvaluator(o.Clock), spaces: map[string]*space{}, stale: func(string) {}}
}

// OnStale sets who is told that a namespace has to be counted again, for
// instance because a charge was given back. f must not block.
func (l *Ledger) OnStale(f func(ns string)) {
	l.staleMu.Lock()
	defer l.staleMu.Unlock()
	l.stale = f
}

func (l *Ledger) tellStale(ns string) {
	l.staleMu.Lock()
	f := l.stale
	l.staleMu.Unlock()
	f(ns)
}

// space is what goes on in one namespace. It exists while something does.
type space struct {
	users int // guarded by Ledger.mu

	mu sync.Mutex // guards the rest
	// inFlight are the writes that were let through and are not over.
	inFlight map[*charge]bool
	queue    []*work
	led      bool
}

// work is something that is done with a namespace's accounts: a charge, or a
// recount when charge is nil.
type work struct {
	charge *charge
	err    error
	// woken gets true to lead, false when the work is done.
	woken chan bool
}

// charge is one write.
type charge struct {
	e        *evaluator
	a        *admission.Attributes
	uid      string // of a created object
	revision int64  // of the object that an update replaces
	limited  []LimitedResource
}

func (l *Ledger) enter(ns string) *space {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.spaces[ns]
	if s == nil {
		s = &space{inFlight: map[*charge]bool{}}
		l.spaces[ns] = s
	}
	s.users++
	return s
}

func (l *Ledger) leave(ns string, s *space) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(l.spaces, ns)
	}
}

func nothingToFinish(bool) {}

// Handles tells whether a write can change what quotas count.
func (l *Ledger) Handles(op admission.Operation, r *registry.Resource, subresource string) bool {
	e := l.evaluatorFor(r)
	return e != nil && e.handles(op, subresource)
}

// Charge charges a write to the quotas of its namespace: a 403 tells that it
// doesn't fit, or that it lacks what a quota wants to be named. limited are the
// resources that nobody may use without a quota. finish is never nil; it has to
// be called when the write is over, with whether the object was written.
func (l *Ledger) Charge(ctx context.Context, a *admission.Attributes, limited []LimitedResource) (finish func(written bool), err error) {
	e := l.evaluatorFor(a.Entry.Resource)
	if e == nil {
		return nothingToFinish, nil
	}
	c := &charge{e: e, a: a, limited: limited}
	c.identify()
	ns := a.Namespace
	s := l.enter(ns)
	if err := l.let(ctx, ns, s, c); err != nil {
		l.leave(ns, s)
		return nothingToFinish, err
	}
	if a.DryRun {
		l.leave(ns, s)
		return nothingToFinish, nil
	}
	return func(written bool) { l.finish(ns, s, c, written) }, nil
}

// identify notes how to know the object once it is written.
func (c *charge) identify() {
	if m, err := meta.Accessor(c.a.Object); err == nil {
		c.uid = string(m.GetUID())
	}
	if c.a.Operation != admission.Update {
		return
	}
	if m, err := meta.Accessor(c.a.Old); err == nil {
		c.revision, _ = strconv.ParseInt(m.GetResourceVersion(), 10, 64)
	}
}

// let lets a write through or gives its refusal. Without quotas it is only noted
// as being in flight: a quota that comes now has to count it.
func (l *Ledger) let(ctx context.Context, ns string, s *space, c *charge) error {
	s.mu.Lock()
	if !l.HasQuotas(ns) && len(c.limited) == 0 {
		if !c.a.DryRun {
			s.inFlight[c] = true
		}
		s.mu.Unlock()
		return nil
	}
	return l.queue(ctx, ns, s, &work{charge: c}) // unlocks
}

func (l *Ledger) finish(ns string, s *space, c *charge, written bool) {
	s.mu.Lock()
	delete(s.inFlight, c)
	s.mu.Unlock()
	if !written {
		l.tellStale(ns)
	}
	l.leave(ns, s)
}

// Recount counts anew what a namespace's quotas limit, and writes the numbers
// that were wrong.
func (l *Ledger) Recount(ctx context.Context, ns string) error {
	s := l.enter(ns)
	defer l.leave(ns, s)
	s.mu.Lock()
	return l.queue(ctx, ns, s, &work{})
}

// queue does work when its turn has come, together with what waits. It is
// called with the space locked, and unlocks it. Whoever finds no leader leads
// for one batch, then the next in the queue does.
func (l *Ledger) queue(ctx context.Context, ns string, s *space, w *work) error {
	w.woken = make(chan bool, 1)
	s.queue = append(s.queue, w)
	if s.led {
		s.mu.Unlock()
		if lead := <-w.woken; !lead {
			return w.err
		}
		s.mu.Lock()
	}
	s.led = true
	batch := s.queue
	s.queue = nil
	s.mu.Unlock()
	defer func() {
		// Also after a panic, or the namespace would wait for ever.
		s.mu.Lock()
		for _, done := range batch {
			if done != w {
				done.woken <- false
			}
		}
		s.led = len(s.queue) > 0
		if s.led {
			s.queue[0].woken <- true
		}
		s.mu.Unlock()
	}()
	for _, one := range batch {
		one.err = errUndecided
	}
	l.settle(ctx, ns, s, batch)
	return w.err
}

// Counts tells whether quotas can limit a resource, or are it.
func (l *Ledger) Counts(r *registry.Resource) bool { return l.evaluatorFor(r) != nil }

// HasQuotas tells whether a namespace has any quota.
func (l *Ledger) HasQuotas(ns string) bool {
	store := l.store()
	if store == nil {
		return false
	}
	found := false
	store.Each(ns, func(*object) bool {
		found = true
		return false
	})
	return found
}

func (l *Ledger) store() *registry.Store { return l.o.Registry.Store("", "resourcequotas") }

// accounts gives copies of a namespace's quotas, in the order of their names.
func (l *Ledger) accounts(ns string) ([]*account, error) {
	store := l.store()
	if store == nil {
		return nil, nil
	}
	var list []*account
	var fault error
	store.Each(ns, func(o *object) bool {
		obj, err := store.Decode(o)
		if err != nil {
			fault = fmt.Errorf("quota %s/%s: %w", ns, o.Name, err)
			return false
		}
		list = append(list, &account{quota: obj.(*corev1.ResourceQuota)})
		return true
	})
	return list, fault
}
