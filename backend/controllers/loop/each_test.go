package loop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// As many as are wanted run at the same time, and no more.
func TestEachRunsSideBySide(t *testing.T) {
	const workers = 4
	var running, most atomic.Int64
	together := make(chan struct{})
	err := Each(t.Context(), workers, make([]int, 8*workers), func(context.Context, int) error {
		n := running.Add(1)
		defer running.Add(-1)
		most.Store(max(most.Load(), n))
		if n == workers {
			select {
			case <-together:
			default:
				close(together)
			}
		}
		select {
		case <-together:
			return nil
		case <-time.After(time.Minute):
			return errors.New("they do not run side by side")
		}
	})
	if err != nil || most.Load() > workers {
		t.Errorf("%v, %d at a time", err, most.Load())
	}
}

// An error, or a panic, stops nobody else; the first in order is given.
func TestEachGoesOnAfterAnError(t *testing.T) {
	var done atomic.Int64
	err := Each(t.Context(), 3, []int{0, 1, 2, 3, 4, 5, 6, 7}, func(_ context.Context, i int) error {
		done.Add(1)
		switch {
		case i == 2:
			panic("boom")
		case i >= 5:
			return fmt.Errorf("no %d", i)
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "boom") || done.Load() != 8 {
		t.Errorf("%v after %d", err, done.Load())
	}
}

func TestEachEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int64
	err := Each(ctx, 1, make([]int, 10), func(context.Context, int) error {
		if done.Add(1) == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || done.Load() != 3 {
		t.Errorf("%v after %d", err, done.Load())
	}
}

// What waits in a queue when the end comes is not done any more: it would fail.
func TestWorkEndsWithItsContext(t *testing.T) {
	q := NewQueue[int]("ended")
	for i := range 100 {
		q.Add(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int64
	err := q.Work(ctx, 2, func(context.Context, int) error {
		done.Add(1)
		cancel()
		return nil
	})
	if err != nil || done.Load() > 2 {
		t.Errorf("%v after %d", err, done.Load())
	}
}
