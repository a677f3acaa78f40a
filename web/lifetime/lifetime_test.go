package lifetime

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// Goroutines are begun while the Group ends: each is waited for, or refused.
func TestNoneBeginsOnceTheGroupIsWaitedFor(t *testing.T) {
	for range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		g := New(ctx)
		var began, ended atomic.Int64
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for g.Go(func() {
					began.Add(1)
					<-ctx.Done()
					ended.Add(1)
				}) {
				}
			})
		}
		cancel()
		g.Wait()
		if b, e := began.Load(), ended.Load(); b != e {
			t.Fatalf("%d of %d goroutines had ended", e, b)
		}
		callers.Wait()
		if g.Go(func() { t.Error("a goroutine began after the end") }) {
			t.Fatal("a Group that has ended takes a goroutine")
		}
		g.Wait()
	}
}
