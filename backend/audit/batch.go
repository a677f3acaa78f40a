package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pilothouse/backend/metrics"

	"k8s.io/client-go/util/flowcontrol"
)

// BatchOptions are those of the mode "batch", as the flags
// --audit-...-batch-... have them.
type BatchOptions struct {
	// BufferSize bounds the events that wait or are being sent; more are lost.
	BufferSize int
	// MaxSize events are sent at once, after MaxWait at the latest.
	MaxSize int
	MaxWait time.Duration
	// MaxBytes is how large a batch may be; 0 is no bound. An event is never
	// divided.
	MaxBytes int
	// Throttle bounds the batches per second to QPS, with bursts of Burst.
	Throttle bool
	QPS      float32
	Burst    int
	// Parallel is how many batches may be on their way; 1 keeps the order.
	Parallel int
}

// batch is encoded events, one after the other.
type batch struct {
	data  []byte
	count int
}

// batcher keeps events back until there are enough of them, or for some time.
// Write copies into memory; one goroutine hands the batches over.
type batcher struct {
	plugin string
	o      BatchOptions
	to     destination

	mu     sync.Mutex // guards the fields below
	full   []*batch
	filing *batch
	held   int // events that wait or are being sent
	closed bool
	// late tells that an event has come after the end.
	late bool

	wake    chan struct{} // there is a full batch
	closing chan struct{}
	done    chan struct{}
	slots   chan struct{} // one for each batch on its way
	// sending ends when there is no time left to send.
	sending context.Context
	cut     context.CancelFunc
	spare   sync.Pool
}

func newBatcher(plugin string, o BatchOptions, to destination) *batcher {
	o.Parallel, o.MaxSize = max(o.Parallel, 1), max(o.MaxSize, 1)
	b := &batcher{
		plugin: plugin, o: o, to: to, filing: &batch{},
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}), slots: make(chan struct{}, o.Parallel),
		spare: sync.Pool{New: func() any { return &batch{} }},
	}
	b.sending, b.cut = context.WithCancel(context.Background())
	go metrics.Guarded("audit", b.run)()
	return b
}

var errPanic = errors.New("audit backend panicked")

var errFull = errors.New("audit buffer queue blocked")

// Write takes a copy of the event. What does not fit is lost, and the request
// goes on.
func (b *batcher) Write(e *Event) error {
	line := b.to.encode(e)
	b.mu.Lock()
	if b.closed {
		first := !b.late
		b.late = true
		b.mu.Unlock()
		loseLate(b.plugin, first)
		return nil
	}
	if b.held >= b.o.BufferSize {
		b.mu.Unlock()
		lose(b.plugin, 1, errFull)
		return nil
	}
	b.held++
	tooLarge := b.o.MaxBytes > 0 && b.filing.count > 0 && len(b.filing.data)+len(line) > b.o.MaxBytes
	if tooLarge {
		b.full = append(b.full, b.filing)
		b.filing = b.spare.Get().(*batch)
	}
	b.filing.data = append(b.filing.data, line...)
	b.filing.count++
	isFull := b.filing.count >= b.o.MaxSize
	if isFull {
		b.full = append(b.full, b.filing)
		b.filing = b.spare.Get().(*batch)
	}
	b.mu.Unlock()
	if isFull || tooLarge {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (b *batcher) run() {
	defer close(b.done)
	var throttle flowcontrol.RateLimiter
	if b.o.Throttle {
		throttle = flowcontrol.NewTokenBucketRateLimiter(b.o.QPS, b.o.Burst)
	}
	wait := max(b.o.MaxWait, time.Millisecond)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for ended := false; !ended; {
		partly := true
		select {
		case <-b.wake:
			partly = false
		case <-timer.C:
		case <-b.closing:
			ended = true
		}
		for next := b.take(partly); next != nil; next = b.take(partly) {
			if throttle != nil && !b.isClosing() {
				b.pause(throttle)
			}
			b.dispatch(next)
		}
		timer.Reset(wait)
	}
	for range b.o.Parallel { // all have been sent when all slots are free
		b.slots <- struct{}{}
	}
}

// pause waits for the throttle, until the end at most.
func (b *batcher) pause(throttle flowcontrol.RateLimiter) {
	ctx, cancel := context.WithCancel(b.sending)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		defer metrics.Caught("audit")
		select {
		case <-b.closing:
			cancel()
		case <-ended:
		}
	}()
	throttle.Wait(ctx) //nolint:errcheck // at the end nothing is throttled
}

func (b *batcher) isClosing() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// take gives the oldest batch, nil when there is none; partly gives one that is
// not full too.
func (b *batcher) take(partly bool) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.full) > 0:
		next := b.full[0]
		b.full = b.full[1:]
		return next
	case partly && b.filing.count > 0:
		next := b.filing
		b.filing = b.spare.Get().(*batch)
		return next
	}
	return nil
}

func (b *batcher) dispatch(next *batch) {
	b.slots <- struct{}{}
	if b.o.Parallel == 1 {
		b.send(next)
		return
	}
	go metrics.Guarded("audit", func() { b.send(next) })()
}

func (b *batcher) send(next *batch) {
	defer func() { <-b.slots }()
	fine := false
	metrics.Guarded("audit", func() {
		if err := b.to.send(b.sending, next.data, next.count); err != nil {
			lose(b.plugin, next.count, err)
		}
		fine = true
	})()
	if !fine {
		lose(b.plugin, next.count, errPanic)
	}
	b.mu.Lock()
	b.held -= next.count
	b.mu.Unlock()
	if cap(next.data) <= 1<<20 {
		next.data, next.count = next.data[:0], 0
		b.spare.Put(next)
	}
}

// closer is a destination that is told when the end comes, so that it does not
// wait between tries any more.
type closer interface{ hurry() }

// Close sends what waits, until ctx ends.
func (b *batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	if c, ok := b.to.(closer); ok {
		c.hurry()
	}
	close(b.closing)
	defer b.cut()
	var err error
	select {
	case <-b.done:
	case <-ctx.Done():
		b.cut()
		<-b.done
		err = fmt.Errorf("audit %s: %w", b.plugin, ctx.Err())
	}
	return errors.Join(err, b.to.close())
}
