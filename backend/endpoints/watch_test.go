package endpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
)

// watching is a watch that runs beside the test.
type watching struct {
	t    *testing.T
	out  *chunks
	stop context.CancelFunc
	done chan error
	read int
}

func (a *api) startWatch(t *testing.T, target string, h header) *watching {
	t.Helper()
	r := a.request("GET", target, "", h)
	ctx, cancel := context.WithCancel(request.With(a.ctx, r))
	p, err := a.Serve(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, out: &chunks{signal: make(chan struct{}, 1000)}, stop: cancel, done: make(chan error, 1)}
	go func() { w.done <- p.Chunked(ctx, w.out) }()
	t.Cleanup(func() { cancel(); <-w.done })
	return w
}

// next waits for n more events and gives them as "TYPE name".
func (w *watching) next(n int) string {
	w.t.Helper()
	timeout := time.After(time.Minute)
	for {
		b := w.out.bytes()[w.read:]
		if lines := bytes.SplitAfter(b, []byte("\n")); len(lines) > n {
			var events []string
			for _, line := range lines[:n] {
				w.read += len(line)
				events = append(events, describe(w.t, line))
			}
			return strings.Join(events, ", ")
		}
		select {
		case <-w.out.signal:
		case <-timeout:
			w.t.Fatalf("no %d events, only %q", n, b)
		}
	}
}

func describe(t *testing.T, line []byte) string {
	t.Helper()
	var e struct {
		Type   string
		Object struct {
			Kind     string
			Message  string
			Metadata struct{ Name string }
			Rows     []struct{ Cells []any }
		}
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	switch {
	case e.Object.Kind == "Table":
		return fmt.Sprint(e.Type, " ", e.Object.Rows[0].Cells)
	case e.Type == "ERROR":
		return e.Type + " " + e.Object.Message
	}
	return strings.TrimSpace(e.Type + " " + e.Object.Metadata.Name)
}

func (w *watching) wants(events string) {
	w.t.Helper()
	if got := w.next(strings.Count(events, ",") + 1); got != events {
		w.t.Errorf("events %q, want %q", got, events)
	}
}

func TestWatch(t *testing.T) {
	a := newAPI(t)
	rv := a.configMap("one", "")
	all := a.startWatch(t, configMaps+"?watch=true", nil)
	later := a.startWatch(t, configMaps+"?watch=true&resourceVersion="+rv, nil)
	red := a.startWatch(t, configMaps+"?watch=true&resourceVersion="+rv+"&labelSelector=c%3Dred", nil)
	legacy := a.startWatch(t, "/api/v1/watch/namespaces/default/configmaps/two", nil)
	all.wants("ADDED one")
	a.configMap("two", "")
	a.patchOf(configMaps+"/one", mergePatch, `{"metadata":{"labels":{"c":"red"}}}`).has(200)
	a.patchOf(configMaps+"/one", mergePatch, `{"metadata":{"labels":{"c":"blue"}}}`).has(200)
	a.do("DELETE", configMaps+"/one", "", nil).has(200)
	const events = "ADDED two, MODIFIED one, MODIFIED one, DELETED one"
	all.wants(events)
	later.wants(events)
	red.wants("ADDED one, DELETED one")
	legacy.wants("ADDED two")
}

// TestWatchSendsWhatIsPendingAtOnce: one write for everything that has happened
// while the client was slow.
func TestWatchSendsWhatIsPendingAtOnce(t *testing.T) {
	a := newAPI(t)
	rv := a.configMap("first", "")
	for i := range 20 {
		a.configMap(fmt.Sprint("cm-", i), "")
	}
	w := a.startWatch(t, configMaps+"?watch=true&resourceVersion="+rv, nil)
	w.next(20)
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if w.out.flushes > 2 {
		t.Errorf("%d writes for 20 events that were there", w.out.flushes)
	}
}

func TestWatchBookmarks(t *testing.T) {
	a := newAPI(t, func(c *Config) { c.BookmarkPeriod = 10 * time.Millisecond })
	rv := a.configMap("one", "")
	w := a.startWatch(t, configMaps+"?watch=true&allowWatchBookmarks=true&resourceVersion="+rv, nil)
	w.wants("BOOKMARK, BOOKMARK")
	initial := a.startWatch(t, configMaps+"?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", nil)
	initial.wants("ADDED one, BOOKMARK")
	b := initial.out.bytes()
	if !bytes.Contains(b, []byte(`"annotations":{"k8s.io/initial-events-end":"true"}`)) {
		t.Errorf("no annotation in %s", b)
	}
	initial.wants("BOOKMARK")
	if n := bytes.Count(initial.out.bytes(), []byte("initial-events-end")); n != 1 {
		t.Errorf("the end of initial events was told %d times", n)
	}
}

func TestWatchWithoutBookmarks(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *Config) { c.BookmarkPeriod = time.Millisecond })
	rv := a.configMap("one", "")
	p := a.do("GET", configMaps+"?watch=true&timeoutSeconds=1&resourceVersion="+rv, "", nil).has(200)
	if len(p.body) > 0 {
		t.Errorf("got %s", p.body)
	}
}

func TestWatchForms(t *testing.T) {
	a := newAPI(t)
	rv := a.configMap("one", `"data":{"a":"1"}`)
	table := a.startWatch(t, configMaps+"?watch=true", header{"Accept": tableForm1})
	plain := a.startWatch(t, configMaps+"?watch=true&includeObject=None&resourceVersion="+rv, header{"Accept": tableForm1})
	partial := a.startWatch(t, configMaps+"?watch=true", header{"Accept": partialV1})
	table.wants("ADDED [one 1 0s]")
	a.configMap("two", "")
	table.wants("ADDED [two 0 0s]")
	plain.wants("ADDED [two 0 0s]")
	partial.wants("ADDED one, ADDED two")
	if b := table.out.bytes(); bytes.Count(b, []byte(`"columnDefinitions":[`)) != 1 || bytes.Count(b, []byte(`"columnDefinitions":null`)) != 1 {
		t.Errorf("columns in %s", b)
	}
	if b := plain.out.bytes(); !bytes.Contains(b, []byte(`"object":null`)) {
		t.Errorf("no object:null in %s", b)
	}
	if b := partial.out.bytes(); bytes.Contains(b, []byte(`"data"`)) {
		t.Errorf("data in %s", b)
	}
	a.do("GET", configMaps+"?watch=true", "", header{"Accept": "application/yaml"}).
		message(406, "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch")
	a.do("GET", configMaps+"?watch=true", "", header{"Accept": "text/event-stream"}).has(406, "application/json;stream=watch")
}

func TestWatchErrors(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.configMap("one", "")
	a.do("GET", configMaps+"?watch=true&resourceVersion=newest", "", nil).has(500, "strconv.ParseUint")
	a.do("GET", configMaps+"?watch=true&timeoutSeconds=soon", "", nil).has(400)
	a.do("GET", configMaps+"?watch=true&sendInitialEvents=true", "", nil).has(422, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
	p := a.do("GET", configMaps+"?watch=true&timeoutSeconds=1&resourceVersion=999999", "", nil).has(200)
	if len(p.body) > 0 {
		t.Errorf("a watch from the future sent %s", p.body)
	}
}

// TestSlowWatcherIsTold: a watcher that falls out of the ring gets a 410.
func TestSlowWatcherIsTold(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	rv := a.configMap("one", `"data":{"k":"`+strings.Repeat("x", 900<<10)+`"}`)
	r := a.request("GET", configMaps+"?watch=true&timeoutSeconds=300&resourceVersion="+rv, "", nil)
	p, err := a.Serve(a.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	store := mustLookup(a, "", "v1", "configmaps").Store
	for i := range 60 {
		_, err := store.Update(a.ctx, "default", "one", registry.UpdateOptions{Transform: func(_ context.Context, o scheme.Object) (scheme.Object, error) {
			o.SetLabels(map[string]string{"n": fmt.Sprint(i)})
			return o, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &chunks{}
	if err := p.Chunked(a.ctx, w); err != nil {
		t.Fatal(err)
	}
	if b := w.bytes(); !bytes.Contains(b, []byte(`{"type":"ERROR","object":{"kind":"Status"`)) || !bytes.Contains(b, []byte(`"code":410`)) {
		t.Errorf("no 410 in %.300s", b)
	}
}

func TestManyWatchersShareFrames(t *testing.T) {
	a := newAPI(t)
	var wg sync.WaitGroup
	for range 50 {
		w := a.startWatch(t, configMaps+"?watch=true", header{"Accept": tableForm1})
		wg.Go(func() { w.next(5) })
	}
	for i := range 5 {
		a.configMap(fmt.Sprint("cm-", i), "")
	}
	wg.Wait()
}

// TestWatchThatIsNeverRunEnds: the transport drops a response whose client is
// gone before it begins.
func TestWatchThatIsNeverRunEnds(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", "")
	r := a.request("GET", configMaps+"?watch=true", "", nil)
	c := call{h: a.Handler, r: r, v: a.views.of(a.Registry.Table(), "", "v1", "configmaps")}
	c.e, c.form.Type = c.v.entry, scheme.MediaJSON
	s, err := c.newWatchStream(a.ctx, &internalversion.ListOptions{Watch: true})
	if err != nil {
		t.Fatal(err)
	}
	w := s.watcher
	s = nil //nolint:ineffassign,wastedassign // for the collector
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		runtime.GC()
		if _, err := w.Poll(1); errors.Is(err, watchcache.ErrClosed) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the watcher is still open")
}
