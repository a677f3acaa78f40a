// Package life owns what is remembered of requests: a Recorder whose filter
// follows each one, rings in memory that keep the newest, and the trace in the
// log of those that were slow. Layers tell what they do through the methods of
// request.Request; it knows none of them. Read life.go first, then ring.go,
// record.go and trace.go; docs/requests.md says how it is used.
package life

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DetailsPerSecond is how many writes a second are recorded with what each
// admission plugin changed: enough for people, and at most one percent of a core
// when programs come.
const DetailsPerSecond = 50

// Options are what a Recorder is made of.
type Options struct {
	// Keep is how many reads, writes and notable requests each are kept.
	Keep int
	// Slow is from when on a request is notable and its trace is logged; 0 is
	// never.
	Slow time.Duration
	// Status gives the Status that a client gets for an error.
	Status func(r *request.Request, err error) *metav1.Status
	// Masked is the request's path and query without credentials.
	Masked func(r *request.Request) string
	// Ended is told of each request when it is over; nil is nobody.
	Ended func(*Record)
}

// Recorder follows requests.
type Recorder struct {
	o       Options
	details request.Budget
	reads   *ring
	writes  *ring
	notable *ring
}

// New gives a Recorder.
func New(o Options) *Recorder {
	return &Recorder{
		o: o, details: request.Budget{PerSecond: DetailsPerSecond}, reads: newRing(o.Keep), writes: newRing(o.Keep), notable: newRing(o.Keep),
	}
}

// Filter follows requests, but those of browsers for pages, since what a page does
// is a request of its own, and those for requests: who looks would see themselves
// looking.
func (rec *Recorder) Filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if strings.HasPrefix(r.Path, "/ui") || r.Path == "/login" || Handles(r.Path) {
			return next(ctx, r)
		}
		l := r.Follow(&rec.details)
		p, err := next(ctx, r)
		rec.answered(r, l, p, err)
		return p, err
	}
}

// answered makes the record of a request. One with a stream is kept as open at
// once, and as over when the stream has ended.
func (rec *Recorder) answered(r *request.Request, l *request.Life, p *request.Response, err error) {
	record := rec.record(r, l, p, err)
	switch {
	case err != nil || p == nil:
		rec.keep(record)
	case p.Chunked != nil && r.Method != http.MethodHead:
		rec.opened(record)
		p.DuringStream(func() func() { return func() { rec.closed(record) } })
	case p.Switches():
		record.Code = http.StatusSwitchingProtocols
		rec.opened(record)
		p.DuringStream(func() func() { return func() { rec.closed(record) } })
	case p.Stream != nil:
		p.Stream = &followed{Stream: p.Stream, end: func() {
			r.Mark("Response written")
			record.Marks = l.Marks()
			record.Took = time.Since(r.Received)
			rec.keep(record)
		}}
	default:
		rec.keep(record)
	}
}

// followed tells when a body has been written.
type followed struct {
	request.Stream
	end func()
}

// WriteTo writes the body.
func (f *followed) WriteTo(w request.Writer) error {
	defer f.end()
	return f.Stream.WriteTo(w)
}

func (rec *Recorder) opened(record *Record) {
	open := *record
	open.Open = true
	rec.ring(record).add(&open)
}

func (rec *Recorder) closed(record *Record) {
	record.Took = time.Since(record.Received)
	rec.keep(record)
}

// keep takes a record of a request that is over.
func (rec *Recorder) keep(record *Record) {
	slow := rec.o.Slow > 0 && record.Took >= rec.o.Slow && !record.Info.LongRunning()
	if slow {
		record.logTrace()
	}
	record.Slow = slow
	if slow || record.refused() {
		rec.notable.add(record)
	} else {
		rec.ring(record).add(record)
	}
	if rec.o.Ended != nil {
		rec.o.Ended(record)
	}
}

func (rec *Recorder) ring(record *Record) *ring {
	if record.Info.Mutating() {
		return rec.writes
	}
	return rec.reads
}
