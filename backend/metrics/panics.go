package metrics

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/klog/v2"
)

var panics = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "pilothouse_panics_total", Help: "Panics that were caught, by where they happened.",
}, []string{"in"}))

// CaughtPanic logs a panic that was caught, with its stack, and counts it. where
// is one of few words of the program, none of a client's.
func CaughtPanic(p any, where string) {
	klog.ErrorS(nil, "Panic", "in", where, "panic", p, "stack", string(debug.Stack()))
	panics.WithLabelValues(where).Inc()
}

// Guarded gives f as what a goroutine can be begun with: its panic ends the
// goroutine and not the process.
func Guarded(where string, f func()) func() {
	return func() { guard(where, f) }
}

// Caught is to be deferred by what a goroutine runs: it is Guarded for who writes
// the function in place.
func Caught(where string) {
	if p := recover(); p != nil {
		CaughtPanic(p, where)
	}
}

// Protected runs f and gives its error; a panic is caught and is an error, too.
// It is for goroutines whose end somebody waits for.
func Protected(where string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			CaughtPanic(p, where)
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

func guard(where string, f func()) (fine bool) {
	defer func() {
		if p := recover(); p != nil {
			CaughtPanic(p, where)
		}
	}()
	f()
	return true
}

// afterPanic is the pause before what has panicked begins again.
const afterPanic = time.Second

// Kept is Guarded for what is to run until ctx ends: after a panic it begins again.
func Kept(ctx context.Context, where string, f func()) func() {
	return func() {
		for !guard(where, f) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(afterPanic):
			}
		}
	}
}
