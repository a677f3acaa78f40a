package web_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/backend/metrics/metricstest"
	"pilothouse/backend/request"
)

// asked notes the contexts of the requests that the dashboard makes.
type asked struct {
	mu  sync.Mutex
	all map[string]context.Context
}

func (a *asked) filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		a.mu.Lock()
		a.all[r.Method+" "+r.Path+"?"+r.RawQuery] = ctx
		a.mu.Unlock()
		return next(ctx, r)
	}
}

// A server that has stopped has no dashboard that goes on asking it: what lists
// follow, what the overview counts. It would fail for ever, and each failure be
// an audit event that nobody keeps.
func TestTheDashboardEndsWithItsServer(t *testing.T) {
	before := metricstest.Read(t)
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}})
	seen := &asked{all: map[string]context.Context{}}
	s.BetweenDashboard(seen.filter)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	for _, page := range []string{"/ui/", "/ui/api/v1/configmaps", "/ui/api/v1/nodes"} {
		if p := b.get(page); p.StatusCode != 200 {
			t.Fatalf("%s: %d", page, p.StatusCode)
		}
	}
	until(t, func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for what, ctx := range seen.all {
			if strings.Contains(what, "watch=") && ctx.Err() == nil {
				return true
			}
		}
		return false
	})
	s.Stop()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for what, ctx := range seen.all {
		if strings.Contains(what, "watch=") && ctx.Err() == nil {
			t.Errorf("%s goes on", what)
		}
	}
	before.Grown(t, `apiserver_audit_error_total{plugin="journal"} 0`)
}
