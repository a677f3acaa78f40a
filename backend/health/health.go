// Package health owns /healthz, /livez and /readyz: named checks that the
// assembly adds, and the answers that kube-apiserver gives for them. It imports
// nothing of the server but package request.
package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// Check is one thing that must be well. Its error goes to the log only: the
// endpoints are open to everybody.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Health answers the health endpoints. It is safe for concurrent use.
type Health struct {
	mu     sync.RWMutex
	checks map[string][]Check // by endpoint: healthz, livez, readyz

	stopping atomic.Bool
}

// endpoints are the paths, without their slash.
var endpoints = []string{"healthz", "livez", "readyz"}

var errStopping = errors.New("the server is shutting down")

// New gives a Health whose only checks are that it answers and, for /readyz,
// that the server is not stopping.
func New() *Health {
	h := &Health{checks: map[string][]Check{}}
	h.Add(Check{"ping", func(context.Context) error { return nil }}, endpoints...)
	h.Add(Check{"shutdown", func(context.Context) error {
		if h.stopping.Load() {
			return errStopping
		}
		return nil
	}}, "readyz")
	return h
}

// Add adds a check to endpoints: healthz, livez, readyz.
func (h *Health) Add(c Check, to ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range to {
		h.checks[e] = append(h.checks[e], c)
	}
}

// Stopping makes /readyz fail from here on.
func (h *Health) Stopping() { h.stopping.Store(true) }

// Handles tells whether a path is this package's.
func Handles(path string) bool {
	endpoint, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains(endpoints, endpoint)
}

// Paths are the paths of all endpoints and checks, for the list at "/".
func (h *Health) Paths() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var paths []string
	for _, e := range endpoints {
		paths = append(paths, "/"+e)
		for _, c := range h.checks[e] {
			paths = append(paths, "/"+e+"/"+c.Name)
		}
	}
	return paths
}

// Handle answers an endpoint, or one of its checks.
func (h *Health) Handle(ctx context.Context, r *request.Request) (*request.Response, error) {
	endpoint, name, one := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	h.mu.RLock()
	checks := h.checks[endpoint]
	h.mu.RUnlock()
	if !one {
		return all(ctx, endpoint, checks, r), nil
	}
	for _, c := range checks {
		if c.Name == name {
			return single(ctx, c), nil
		}
	}
	return text(http.StatusNotFound, "404 page not found\n"), nil
}

func single(ctx context.Context, c Check) *request.Response {
	if err := c.Run(ctx); err != nil {
		klog.InfoS("Health check failed", "check", c.Name, "err", err)
		return text(http.StatusInternalServerError, "internal server error: reason withheld\n")
	}
	return text(http.StatusOK, "ok")
}

func all(ctx context.Context, endpoint string, checks []Check, r *request.Request) *request.Response {
	query := r.Query()
	excluded := map[string]bool{}
	for _, v := range query["exclude"] {
		for name := range strings.SplitSeq(v, ",") {
			excluded[name] = true
		}
	}
	var out strings.Builder
	failed := false
	for _, c := range checks {
		if excluded[c.Name] {
			delete(excluded, c.Name)
			fmt.Fprintf(&out, "[+]%s excluded: ok\n", c.Name)
			continue
		}
		if err := c.Run(ctx); err != nil {
			klog.InfoS("Health check failed", "endpoint", endpoint, "check", c.Name, "err", err)
			fmt.Fprintf(&out, "[-]%s failed: reason withheld\n", c.Name)
			failed = true
			continue
		}
		fmt.Fprintf(&out, "[+]%s ok\n", c.Name)
	}
	warnUnknown(&out, excluded)
	if failed {
		return text(http.StatusInternalServerError, out.String()+endpoint+" check failed\n")
	}
	if _, verbose := query["verbose"]; verbose {
		return text(http.StatusOK, out.String()+endpoint+" check passed\n")
	}
	return text(http.StatusOK, "ok")
}

func warnUnknown(out *strings.Builder, names map[string]bool) {
	if len(names) == 0 {
		return
	}
	quoted := make([]string, 0, len(names))
	for name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	slices.Sort(quoted)
	fmt.Fprintf(out, "warn: some health checks cannot be excluded: no matches for %s\n", strings.Join(quoted, ","))
}

func text(status int, body string) *request.Response {
	return &request.Response{
		Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(body),
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
	}
}
