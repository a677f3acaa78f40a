// Package lifetime holds goroutines that requests begin and that the end of the
// server has to wait for.
package lifetime

import (
	"context"
	"sync"
)

// Group is goroutines that end with a context. It is safe for concurrent use.
type Group struct {
	ctx context.Context

	mu      sync.Mutex // held to begin one, so that none begins once Wait waits
	running sync.WaitGroup
}

// New gives an empty Group.
func New(ctx context.Context) *Group { return &Group{ctx: ctx} }

// Go runs f, which has to return soon after the Group's context has ended, in a
// goroutine of its own. It tells false, and does nothing, when the context has
// ended already.
func (g *Group) Go(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return false
	}
	g.running.Go(f)
	return true
}

// Wait returns when the context has ended and so has every goroutine. None begins
// any more.
func (g *Group) Wait() {
	<-g.ctx.Done()
	g.mu.Lock()
	g.mu.Unlock() //nolint:staticcheck // whoever begins a goroutine now is through, or finds the context ended
	g.running.Wait()
}
