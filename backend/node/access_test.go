package node

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestWhatACallMeans: upstream's table, pkg/kubelet/server/auth_test.go, and that
// a WebSocket that runs something does not count as reading.
func TestWhatACallMeans(t *testing.T) {
	for _, c := range []struct {
		method, path, verb string
		parts              []string
	}{
		{http.MethodGet, "/metrics", "get", []string{"metrics"}},
		{http.MethodGet, "/metrics/resource", "get", []string{"metrics"}},
		{http.MethodGet, "/metricsabc", "get", []string{"proxy"}},
		{http.MethodGet, "/stats/summary", "get", []string{"stats"}},
		{http.MethodGet, "/logs/messages", "get", []string{"log"}},
		{http.MethodPost, "/checkpoint/a/b/c", "create", []string{"checkpoint"}},
		{http.MethodGet, "/pods", "get", []string{"pods", "proxy"}},
		{http.MethodGet, "/runningpods/", "get", []string{"pods", "proxy"}},
		{http.MethodGet, "/healthz/ping", "get", []string{"healthz", "proxy"}},
		{http.MethodGet, "/configz", "get", []string{"configz", "proxy"}},
		{http.MethodGet, "/containerLogs/a/b/c", "get", []string{"proxy"}},
		{http.MethodGet, "/exec/a/b/c", "create", []string{"proxy"}},
		{http.MethodPost, "/run/a/b/c", "create", []string{"proxy"}},
		{http.MethodDelete, "/anything", "delete", []string{"proxy"}},
	} {
		if verb, parts := verbOf(httptest.NewRequest(c.method, c.path, nil)), partsOf(c.path); verb != c.verb || !slices.Equal(parts, c.parts) {
			t.Errorf("%s %s: %s %v, want %s %v", c.method, c.path, verb, parts, c.verb, c.parts)
		}
	}
}
