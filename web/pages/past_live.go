package pages

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/life"
	"pilothouse/backend/metrics"
	"pilothouse/web/live"
)

// newestPace is how often a page of requests or of audit events looks for new ones.
const newestPace = 1500 * time.Millisecond

// newest gives what tells the newest entry of a page from the one before it.
type newest func(ctx context.Context) (string, error)

// newestRequest is the newest request that the server remembers.
func (c *Call) newestRequest(page url.Values) newest {
	q := with(requestQuery(page), "limit", "1")
	return func(ctx context.Context) (string, error) {
		var list life.List
		if _, err := c.mineOr(ctx, life.Path, life.MinePath, q, &list); err != nil || len(list.Requests) == 0 {
			return "", err
		}
		return list.Requests[0].AuditID + list.Requests[0].Received.String(), nil
	}
}

// newestEvent is the newest event of the journal, but for those of looking at it:
// a policy that records them would have the page go round for ever.
func (c *Call) newestEvent(page url.Values) newest {
	since := c.Clock()
	return func(ctx context.Context) (string, error) {
		q, _, err := auditQuery(page, c.Clock())
		if err != nil {
			return "", err
		}
		q.Set("limit", "50")
		if q.Get("since") == "" {
			q.Set("since", since.Add(-newestOverlap).UTC().Format(time.RFC3339Nano))
		}
		entries, err := c.audit(ctx, q)
		for i := range entries {
			if e := &entries[i]; !strings.HasPrefix(e.RequestURI, auditPath) {
				since = e.StageTimestamp.Time
				return string(e.AuditID) + e.StageTimestamp.String(), nil
			}
		}
		return "", err
	}
}

// newestOverlap is how far behind the newest event the journal is asked: events
// come in the order in which requests end.
const newestOverlap = time.Minute

// liveRequests tells a page that there is something newer; the browser then asks
// for it again.
type liveRequests struct {
	stale atomic.Bool
	end   context.CancelFunc
	done  sync.WaitGroup
}

func (c *Call) openNewest(ask newest, wake func()) live.Subscription {
	ctx, cancel := context.WithCancel(context.Background())
	l := &liveRequests{end: cancel}
	l.done.Go(metrics.Guarded("dashboard", func() { l.run(ctx, ask, wake) }))
	return l
}

func (l *liveRequests) run(ctx context.Context, ask newest, wake func()) {
	tick := time.NewTicker(newestPace)
	defer tick.Stop()
	last, first := "", true
	for {
		now, err := ask(ctx)
		if err != nil {
			return // the page says why when it is loaded again
		}
		if !first && now != last && now != "" {
			l.stale.Store(true)
			wake()
		}
		last, first = now, false
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
