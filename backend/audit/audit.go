// Package audit owns the record of who did what: the policy that says which
// requests are recorded and how fully, the events of audit.k8s.io/v1, and the
// log file and webhook that they go to. It sees requests as filters do and knows
// no storage. Read audit.go first, then filter.go, policy.go, event.go and the
// sinks: log.go, webhook.go, batch.go. docs/audit.md says how it is set up.
package audit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// Sink is where events go. Write may be called by many at once; e is only valid
// until it returns. An error tells that the event is not kept.
type Sink interface {
	Write(e *Event) error
	// Close keeps what was written, as far as it can before ctx ends.
	Close(ctx context.Context) error
}

// Options are what an Auditor is made of.
type Options struct {
	// Policy may be nil: then only the journal records.
	Policy *Policy
	// Sinks get every event, in order.
	Sinks []Sink
	// Journal gets the last event of requests; see Journal. It may be nil.
	Journal *Journal
	// Status gives the Status that a client gets for an error.
	Status func(r *request.Request, err error) *metav1.Status
}

// Auditor makes events of requests. Its Filter and Failure are filters.
type Auditor struct {
	Options

	// open is how many requests have a record that is not finished. idle is told
	// when there is none, from when closing is set.
	open    atomic.Int64
	closing atomic.Bool
	idle    chan struct{}
}

// New gives an Auditor.
func New(o Options) *Auditor { return &Auditor{Options: o, idle: make(chan struct{}, 1)} }

// openGrace is how long Close waits for requests that were cut off and have not
// ended yet.
const openGrace = 2 * time.Second

// Close waits a moment for the events of requests that have begun, and closes the
// sinks; events after it are lost.
func (a *Auditor) Close(ctx context.Context) error {
	a.wait(ctx)
	var errs []error
	for _, s := range a.Sinks {
		errs = append(errs, s.Close(ctx))
	}
	if a.Journal != nil {
		errs = append(errs, a.Journal.Close(ctx))
	}
	return errors.Join(errs...)
}

func (a *Auditor) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, openGrace)
	defer cancel()
	a.closing.Store(true)
	for a.open.Load() > 0 {
		select {
		case <-a.idle:
		case <-ctx.Done():
			klog.InfoS("Requests do not end, their audit events will be lost", "requests", a.open.Load())
			return
		}
	}
}

// ended takes a request out of those that Close waits for.
func (a *Auditor) ended() {
	if a.open.Add(-1) == 0 && a.closing.Load() {
		select {
		case a.idle <- struct{}{}:
		default:
		}
	}
}

// write gives an event to all sinks; an error tells that one did not take it.
func (a *Auditor) write(e *Event) error {
	events.Inc()
	var first error
	for _, s := range a.Sinks {
		if err := s.Write(e); err != nil && first == nil {
			first = err
		}
	}
	return first
}
