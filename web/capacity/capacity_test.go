package capacity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
)

// api is a scripted API: lists give its items, watches what is sent to feed.
type api struct {
	mu       sync.Mutex
	items    map[string][]string // by path
	feed     chan string         // of pods
	requests atomic.Int64
}

func (a *api) handle(ctx context.Context, r *request.Request) (*request.Response, error) {
	a.requests.Add(1)
	a.mu.Lock()
	items, known := a.items[r.Path]
	a.mu.Unlock()
	if !known {
		return &request.Response{Status: http.StatusNotFound, Body: []byte(`{"kind":"Status","code":404,"reason":"NotFound"}`)}, nil
	}
	if r.Query().Get("watch") == "" {
		return &request.Response{Body: []byte(`{"metadata":{"resourceVersion":"9"},"items":[` + strings.Join(items, ",") + `]}`)}, nil
	}
	return &request.Response{Chunked: func(_ context.Context, w request.ChunkWriter) error {
		feed := a.feed
		if !strings.HasSuffix(r.Path, "/pods") {
			feed = nil
		}
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case line := <-feed:
				if _, err := w.Write([]byte(line + "\n")); err != nil {
					return err
				}
			}
		}
	}}, nil
}

func podJSON(name, version, node, phase, cpu string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":"n","name":%q,"resourceVersion":%q},"spec":{"nodeName":%q,"initContainers":[{"name":"i","resources":{"requests":{"cpu":"10m","memory":"3Gi"}}}],"containers":[{"name":"c","resources":{"requests":{"cpu":%q,"memory":"1Gi"},"limits":{"cpu":"2"}}}]},"status":{"phase":%q}}`, name, version, node, cpu, phase)
}

func nodeJSON(name string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"resourceVersion":"1"},"status":{"allocatable":{"cpu":"4","memory":"8Gi","pods":"110"}}}`, name)
}

const gi = 1 << 30

func TestSumsFollowEveryChange(t *testing.T) {
	a := &api{feed: make(chan string), items: map[string][]string{
		"/api/v1/pods":                       {podJSON("a", "1", "one", "Running", "500m"), podJSON("b", "2", "one", "Succeeded", "1"), podJSON("c", "3", "two", "Running", "250m"), podJSON("d", "4", "", "Pending", "1")},
		"/api/v1/nodes":                      {nodeJSON("two"), nodeJSON("one"), nodeJSON("idle")},
		"/apis/metrics.k8s.io/v1beta1/nodes": {`{"metadata":{"name":"one"},"usage":{"cpu":"123m","memory":"2Gi"}}`},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	l := New(ctx, func() *client.Client { return client.New(a.handle, nil, "test") })
	<-l.Counted()
	s, err := l.State(ctx)
	if err != nil || s.Version != l.Version() {
		t.Fatal(s, err)
	}
	check := func(what string, got, want Amounts) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	if len(s.Nodes) != 3 || s.Nodes[0].Name != "idle" || s.Nodes[1].Name != "one" || s.Waiting != 1 {
		t.Fatalf("got %+v", s)
	}
	// What has ended does not count, and an init container counts where it asks for most.
	check("requests of one", s.Nodes[1].Requests, Amounts{500, 3 * gi, 1})
	check("limits of one", s.Nodes[1].Limits, Amounts{2000, 0, 1})
	check("used of one", *s.Nodes[1].Used, Amounts{123, 2 * gi, 1})
	check("used of all", *s.All.Used, Amounts{123, 2 * gi, 1})
	check("allocatable", s.All.Allocatable, Amounts{12000, 24 * gi, 330})
	check("requests", s.All.Requests, Amounts{750, 6 * gi, 2})
	if s.Nodes[0].Used != nil {
		t.Error("a node without metrics uses something")
	}

	after := func(event string) *State {
		t.Helper()
		was := l.Version()
		a.feed <- event
		for end := time.Now().Add(30 * time.Second); l.Version() == was; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("nothing came of %s", event)
			}
		}
		s, err := l.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s = after(`{"type":"MODIFIED","object":` + podJSON("d", "10", "two", "Running", "1") + `}`)
	check("a pod got a node", s.Nodes[2].Requests, Amounts{1250, 6 * gi, 2})
	if s.Waiting != 0 {
		t.Errorf("%d wait", s.Waiting)
	}
	s = after(`{"type":"MODIFIED","object":` + podJSON("c", "11", "two", "Failed", "250m") + `}`)
	check("a pod has ended", s.Nodes[2].Requests, Amounts{1000, 3 * gi, 1})
	s = after(`{"type":"DELETED","object":` + podJSON("a", "12", "one", "Running", "500m") + `}`)
	check("a pod is gone", s.All.Requests, Amounts{1000, 3 * gi, 1})

	// Whoever looks costs the API nothing, and what has not changed is not summed up anew.
	const all = 5 // two lists, their watches and the metrics
	for end := time.Now().Add(30 * time.Second); a.requests.Load() < all; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests of %d", a.requests.Load(), all)
		}
	}
	asked := a.requests.Load()
	for range 100 {
		again, err := l.State(ctx)
		if err != nil || again != s {
			t.Fatalf("summed up anew, or %v", err)
		}
	}
	if n := a.requests.Load(); n != asked {
		t.Errorf("%d requests for who looks", n-asked)
	}
	cancel()
	l.Wait()
}

func TestWhoWaitsInVainIsToldSo(t *testing.T) {
	a := &api{items: map[string][]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	l := New(ctx, func() *client.Client { return client.New(a.handle, nil, "test") })
	short, stop := context.WithTimeout(ctx, 10*time.Millisecond)
	defer stop()
	if s, err := l.State(short); err == nil {
		t.Errorf("sums of nothing: %+v", s)
	}
	cancel()
	l.Wait()
}

func TestSumsEndWhenNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		a := &api{items: map[string][]string{"/api/v1/pods": {podJSON("a", "1", "one", "Running", "500m")}, "/api/v1/nodes": {nodeJSON("one")}}}
		handle := func(ctx context.Context, r *request.Request) (*request.Response, error) {
			<-gate
			return a.handle(ctx, r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l := New(ctx, func() *client.Client { return client.New(handle, nil, "test") })
		kept := func(what string, want bool) {
			t.Helper()
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			if got := l.stop != nil; got != want {
				t.Errorf("%s: sums are kept: %t, want %t", what, got, want)
			}
		}
		// Who waits for a slow API looks all the while, and gets the sums.
		time.AfterFunc(5*linger, func() { close(gate) })
		s, err := l.State(ctx)
		if err != nil || s.All.Requests.Pods != 1 {
			t.Fatalf("got %+v, %v", s, err)
		}
		time.Sleep(linger - time.Second)
		kept("within the time", true)
		// The timer has run out, and has still to say so, when somebody begins to look.
		l.Version()
		l.rest()
		kept("somebody looks again", true)
		time.Sleep(linger - time.Second)
		kept("and stays", true)
		time.Sleep(2 * linger)
		kept("nobody looks", false)
		if s, err = l.State(ctx); err != nil || s.All.Requests.Pods != 1 {
			t.Errorf("begun anew: got %+v, %v", s, err)
		}
		kept("begun anew", true)
		cancel()
		l.Wait()
		time.Sleep(2 * linger)
	})
}
