package informer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func item(name, rv, app string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":"n","name":%q,"resourceVersion":%q,"labels":{"app":%q}}}`, name, rv, app)
}

// server is a scripted API: lists give its state, watches what is sent to feed.
type server struct {
	mu    sync.Mutex
	state []string
	lists int
	feed  chan string
}

func (s *server) handle(ctx context.Context, r *request.Request) (*request.Response, error) {
	if r.Query().Get("watch") == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lists++
		return &request.Response{Body: []byte(`{"metadata":{"resourceVersion":"9"},"items":[` + strings.Join(s.state, ",") + `]}`)}, nil
	}
	return &request.Response{Chunked: func(_ context.Context, w request.ChunkWriter) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case line := <-s.feed:
				if line == "" {
					return nil
				}
				if _, err := w.Write([]byte(line + "\n")); err != nil {
					return err
				}
			}
		}
	}}, nil
}

func TestFollowsAndIndexesChanges(t *testing.T) {
	s := &server{state: []string{item("a", "1", "x"), item("b", "2", "x")}, feed: make(chan string)}
	changes := make(chan string, 100)
	name := func(m *corev1.ConfigMap) string {
		if m == nil {
			return "-"
		}
		return m.Name + m.ResourceVersion
	}
	i := New(client.New(s.handle, nil, "test"), configMaps, "", func() *corev1.ConfigMap { return &corev1.ConfigMap{} }).
		Index("app", func(m *corev1.ConfigMap) []string { return []string{m.Labels["app"]} }).
		OnChange(func(old, current *corev1.ConfigMap) { changes <- name(old) + ">" + name(current) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- i.Run(ctx) }()
	<-i.Synced()
	next := func(want string) {
		t.Helper()
		if got := <-changes; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	next("->a1")
	next("->b2")
	s.feed <- `{"type":"MODIFIED","object":` + item("a", "10", "y") + `}`
	next("a1>a10")
	if got := i.ByIndex("app", "y"); len(got) != 1 || got[0].Name != "a" {
		t.Errorf("app=y: %v", got)
	}
	if got := i.ByIndex("app", "x"); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("app=x: %v", got)
	}
	s.feed <- `{"type":"DELETED","object":` + item("b", "11", "x") + `}`
	next("b11>-")
	if got := i.ByIndex("app", "x"); len(got) != 0 {
		t.Errorf("app=x: %v", got)
	}
	// An expired watch lists anew and finds what it missed.
	s.mu.Lock()
	s.state = []string{item("c", "20", "z")}
	s.mu.Unlock()
	s.feed <- `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}`
	next("->c20")
	next("a10>-")
	if _, ok := i.Get("n", "c"); !ok || len(i.List()) != 1 {
		t.Errorf("objects %v", i.List())
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Run gives %v", err)
	}
}
