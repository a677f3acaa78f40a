package pages

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/life"
	"pilothouse/web/live"
)

// requestsPace is how often a page of requests looks for new ones.
const requestsPace = 1500 * time.Millisecond

// liveRequests tells a page of requests that there are new ones; the browser then
// asks for it again.
type liveRequests struct {
	stale atomic.Bool
	end   context.CancelFunc
	done  sync.WaitGroup
}

func (c *Call) openRequests(u *url.URL, wake func()) live.Subscription {
	ctx, cancel := context.WithCancel(context.Background())
	l := &liveRequests{end: cancel}
	q := with(requestQuery(u.Query()), "limit", "1")
	l.done.Go(func() { l.run(ctx, c, q, wake) })
	return l
}

func (l *liveRequests) run(ctx context.Context, c *Call, q url.Values, wake func()) {
	tick := time.NewTicker(requestsPace)
	defer tick.Stop()
	last, first := "", true
	for {
		var list life.List
		if _, err := c.mineOr(ctx, life.Path, life.MinePath, q, &list); err != nil {
			return // the page says why when it is loaded again
		}
		newest := ""
		if len(list.Requests) > 0 {
			newest = list.Requests[0].AuditID + list.Requests[0].Received.String()
		}
		if !first && newest != last {
			l.stale.Store(true)
			wake()
		}
		last, first = newest, false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Next tells that the page has changed.
func (l *liveRequests) Next() ([]byte, error) {
	if !l.stale.Swap(false) {
		return nil, nil
	}
	return json.Marshal(map[string]any{"page": true})
}

// Move does nothing.
func (*liveRequests) Move(int, int, string) {}

// Close ends it.
func (l *liveRequests) Close() {
	l.end()
	l.done.Wait()
}
