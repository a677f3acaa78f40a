package request

import (
	"context"
	"sync"
	"time"
)

// NewContext gives the context of one request: it carries r and ends with
// parent or at the deadline, whichever comes first; a zero deadline means none.
// Most requests are answered without anyone waiting for their context, so the
// timer is only made by the first call of Done. The stop function frees it.
func NewContext(parent context.Context, r *Request, deadline time.Time) (context.Context, context.CancelFunc) {
	c := &requestContext{Context: parent, request: r, deadline: deadline}
	return c, c.stop
}

type requestContext struct {
	context.Context // the parent
	request         *Request
	deadline        time.Time

	mu      sync.Mutex
	stopped bool
	inner   context.Context // nil until someone waits
	cancel  context.CancelFunc
}

// Deadline gives the earlier of the request's and the parent's.
func (c *requestContext) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	switch {
	case c.deadline.IsZero():
		return parent, ok
	case ok && parent.Before(c.deadline):
		return parent, true
	}
	return c.deadline, true
}

// Done makes the real context on its first call.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		if c.deadline.IsZero() {
			c.inner, c.cancel = context.WithCancel(c.Context)
		} else {
			c.inner, c.cancel = context.WithDeadline(c.Context, c.deadline)
		}
		if c.stopped {
			c.cancel()
		}
	}
	return c.inner.Done()
}

// Err tells whether the context has ended, and why.
func (c *requestContext) Err() error {
	c.mu.Lock()
	inner, stopped := c.inner, c.stopped
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner.Err()
	case c.Context.Err() != nil:
		return c.Context.Err()
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	case stopped:
		return context.Canceled
	}
	return nil
}

// Value gives the request, or what the parent carries.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c.request
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		// Lets a derived context find the real one and hang on to it without
		// a goroutine of its own.
		return inner.Value(key)
	}
	return c.Context.Value(key)
}

func (c *requestContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.cancel != nil {
		c.cancel()
	}
}
