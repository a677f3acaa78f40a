package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// requestTimeout ends a request that a test waits for. It is for what hangs: a
// busy machine with the race detector is slow.
const requestTimeout = 2 * time.Minute

// Caller makes requests as one user.
type Caller struct {
	s      *Server
	token  string
	client *http.Client
}

// Admin calls with the administrator's certificate.
func (s *Server) Admin() *Caller { return &Caller{s: s, client: s.admin} }

// As calls with the token of a user of Options.Users.
func (s *Server) As(user string) *Caller {
	return &Caller{s: s, client: s.others, token: "token-" + user}
}

// Anonymous calls without credentials.
func (s *Server) Anonymous() *Caller { return &Caller{s: s, client: s.others} }

// Answer is what came back.
type Answer struct {
	t      testing.TB
	what   string
	Code   int
	Header http.Header
	Body   []byte
}

// Do makes a request. The body is sent as JSON unless it is a string or bytes,
// which are sent as they are; headers come in pairs. What is refused because the
// controllers have not made a namespace's account yet is sent again: on a busy
// machine that may take longer than the server waits for it.
func (c *Caller) Do(method, path string, body any, headers ...string) *Answer {
	c.s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	for {
		resp := c.open(ctx, method, path, body, headers...)
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			c.s.t.Fatalf("%s %s: %v", method, path, err)
		}
		if resp.StatusCode != http.StatusForbidden || !bytes.Contains(raw, []byte(`/default: serviceaccount \"default\" not found`)) {
			return &Answer{t: c.s.t, what: method + " " + path, Code: resp.StatusCode, Header: resp.Header, Body: raw}
		}
	}
}

// Get, Post, Put, Patch (a merge patch) and Delete are Do in short.
func (c *Caller) Get(path string) *Answer { c.s.t.Helper(); return c.Do("GET", path, nil) }

// Post creates.
func (c *Caller) Post(path string, body any) *Answer {
	c.s.t.Helper()
	return c.Do("POST", path, body)
}

// Put updates.
func (c *Caller) Put(path string, body any) *Answer {
	c.s.t.Helper()
	return c.Do("PUT", path, body)
}

// Patch sends a merge patch.
func (c *Caller) Patch(path string, body any) *Answer {
	c.s.t.Helper()
	return c.Do("PATCH", path, body, "Content-Type", "application/merge-patch+json")
}

// TryPatch is Patch from another goroutine than the test's: it gives the code of
// the answer, 0 when none comes.
func (c *Caller) TryPatch(path, body string) int {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, c.s.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// Delete deletes.
func (c *Caller) Delete(path string) *Answer { c.s.t.Helper(); return c.Do("DELETE", path, nil) }

func (c *Caller) open(ctx context.Context, method, path string, body any, headers ...string) *http.Response {
	c.s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, c.s.URL()+path, reader(c.s.t, body))
	if err != nil {
		c.s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if http.CanonicalHeaderKey(headers[i]) == "Content-Type" {
			req.Header.Del("Content-Type")
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

func reader(t testing.TB, body any) io.Reader {
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	case []byte:
		return bytes.NewReader(b)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(raw)
}

// Must ends the test unless the answer has one of the codes.
func (a *Answer) Must(codes ...int) *Answer {
	a.t.Helper()
	for _, c := range codes {
		if a.Code == c {
			return a
		}
	}
	a.t.Fatalf("%s: %d, want %v: %.600s", a.what, a.Code, codes, a.Body)
	return a
}

// Into decodes the answer's JSON.
func (a *Answer) Into(v any) *Answer {
	a.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.t.Fatalf("%s: %v: %.300s", a.what, err, a.Body)
	}
	return a
}

// Object gives the answer as an object without a Go type.
func (a *Answer) Object() *unstructured.Unstructured {
	a.t.Helper()
	o := &unstructured.Unstructured{}
	a.Into(&o.Object)
	return o
}

// Status gives the answer as a Status.
func (a *Answer) Status() *metav1.Status {
	a.t.Helper()
	s := &metav1.Status{}
	a.Into(s)
	return s
}

// Event is one event of a watch.
type Event struct {
	Type   string                    `json:"type"`
	Object unstructured.Unstructured `json:"object"`
}

// Into decodes an event's object.
func (e Event) Into(v any) error {
	raw, err := json.Marshal(e.Object.Object)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// Watch is an open watch. Close ends it, and so does the end of the test.
type Watch struct {
	t      testing.TB
	events chan Event
	close  context.CancelFunc
}

// Watch opens a watch; path has the parameters besides watch.
func (c *Caller) Watch(path string) *Watch {
	c.s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	resp := c.open(ctx, "GET", path+separator+"watch=true", nil)
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(resp.Body) //nolint:errcheck // it is for the message only
		cancel()
		c.s.t.Fatalf("watch %s: %d %s", path, resp.StatusCode, raw)
	}
	w := &Watch{t: c.s.t, events: make(chan Event), close: cancel}
	go func() {
		defer close(w.events)
		defer resp.Body.Close()
		for d := json.NewDecoder(resp.Body); ; {
			var e Event
			if d.Decode(&e) != nil {
				return
			}
			select {
			case w.events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	c.s.t.Cleanup(cancel)
	return w
}

// Next gives the next event; the test ends when none comes.
func (w *Watch) Next() Event {
	w.t.Helper()
	select {
	case e, ok := <-w.events:
		if !ok {
			w.t.Fatal("the watch has ended")
		}
		return e
	case <-time.After(requestTimeout):
		w.t.Fatal("no event comes")
	}
	return Event{}
}

// Events gives the events as they come, until the watch ends.
func (w *Watch) Events() <-chan Event { return w.events }

// Ended waits until the server has ended the watch.
func (w *Watch) Ended() {
	w.t.Helper()
	timeout := time.After(requestTimeout)
	for {
		select {
		case _, ok := <-w.events:
			if !ok {
				return
			}
		case <-timeout:
			w.t.Fatal("the watch does not end")
		}
	}
}

// Close ends the watch.
func (w *Watch) Close() { w.close() }
