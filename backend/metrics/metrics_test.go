package metrics

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
)

func scrape(t *testing.T) string {
	t.Helper()
	b, contentType, err := Text()
	if err != nil || !strings.HasPrefix(contentType, "text/plain") {
		t.Fatal(contentType, err)
	}
	return string(b)
}

func TestRequestsAreCountedByWhatTheyAre(t *testing.T) {
	before := figures(t)
	info := request.ParseInfo("GET", "/apis/apps/v1/namespaces/a/deployments", false, "")
	done := RequestBegins(&info)
	if !strings.Contains(scrape(t), `apiserver_current_inflight_requests{request_kind="readOnly"} 1`) {
		t.Error("a request in flight is not counted")
	}
	done(200, 3*time.Millisecond)
	before.grown(t,
		`apiserver_request_total{code="200",component="apiserver",dry_run="",group="apps",resource="deployments",scope="namespace",subresource="",verb="LIST",version="v1"} 1`,
		`apiserver_request_duration_seconds_count{component="apiserver",group="apps",resource="deployments",scope="namespace",subresource="",verb="LIST",version="v1"} 1`,
		`apiserver_current_inflight_requests{request_kind="readOnly"} 0`)
	text := scrape(t)
	for _, want := range []string{
		"go_goroutines ",
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestStreamsAreCountedWhileTheyLast(t *testing.T) {
	info := request.ParseInfo("GET", "/api/v1/pods", true, "")
	line := `apiserver_longrunning_requests{component="apiserver",group="",resource="pods",scope="cluster",subresource="",verb="WATCH",version="v1"} `
	ended := StreamBegins(&info)
	if !strings.Contains(scrape(t), line+"1") {
		t.Error("an open watch is not counted")
	}
	ended()
	if !strings.Contains(scrape(t), line+"0") {
		t.Error("an ended watch is counted")
	}
}

// Whoever asks for paths that do not exist must not fill the memory with
// series.
func TestUnknownPathsShareOneSeries(t *testing.T) {
	for i := range 100 {
		info := request.ParseInfo("GET", fmt.Sprintf("/api/v1/nothing%d", i), false, "")
		RequestBegins(&info)(404, time.Millisecond)
	}
	text := scrape(t)
	if strings.Contains(text, "nothing") || !strings.Contains(text, `code="404",component="apiserver",dry_run="",group="",resource="other"`) {
		t.Error("what is not there has a series of its own")
	}
}

// growth is the values of all series. They are the process's: tests look at how
// much they grow, as there may be an earlier run of the same test.
type growth map[string]float64

func figures(t *testing.T) growth {
	t.Helper()
	all := growth{}
	for line := range strings.Lines(scrape(t)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 {
			if n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
				all[line[:at]] = n
			}
		}
	}
	return all
}

// grown checks by how much series have grown; a line is a series and the number.
func (before growth) grown(t *testing.T, lines ...string) {
	t.Helper()
	now := figures(t)
	for _, line := range lines {
		at := strings.LastIndexByte(line, ' ')
		want, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := now[line[:at]] - before[line[:at]]; got < want-1e-6 || got > want+1e-6 {
			t.Errorf("%s has grown by %v, not by %v", line[:at], got, want)
		}
	}
}

func TestQueuesAreMeasured(t *testing.T) {
	before := figures(t)
	q := NewQueue("tested", workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Nanosecond, time.Nanosecond))
	q.Add("a")
	q.Add("a") // it waits already
	q.Add("b")
	before.grown(t, `workqueue_depth{name="tested"} 2`, `workqueue_adds_total{name="tested"} 2`, `workqueue_unfinished_work_seconds{name="tested"} 0`)
	key, _ := q.Get()
	before.grown(t, `workqueue_depth{name="tested"} 1`, `workqueue_queue_duration_seconds_count{name="tested"} 1`, `workqueue_work_duration_seconds_count{name="tested"} 0`)
	if text := scrape(t); strings.Contains(text, `workqueue_longest_running_processor_seconds{name="tested"} 0`+"\n") {
		t.Error("work that goes on takes no time")
	}
	q.AddRateLimited(key)
	q.Done(key)
	for range 2 { // b, and a again
		key, _ := q.Get()
		q.Done(key)
	}
	before.grown(t, `workqueue_depth{name="tested"} 0`, `workqueue_adds_total{name="tested"} 3`, `workqueue_retries_total{name="tested"} 1`,
		`workqueue_work_duration_seconds_count{name="tested"} 3`, `workqueue_longest_running_processor_seconds{name="tested"} 0`)
	q.ShutDown()
	if _, shut := q.Get(); !shut {
		t.Error("the queue goes on after its end")
	}
}

func TestWatchEventsAreCountedWithTheirSizes(t *testing.T) {
	gvr := schema.GroupVersionResource{Group: "tested", Version: "v1", Resource: "things"}
	before := figures(t)
	w := WatchEventsOf(gvr)
	if WatchEventsOf(gvr) != w {
		t.Error("a resource has two counters")
	}
	for _, size := range []int{100, 1024, 1025, 1 << 20} {
		w.Sent(size)
	}
	before.grown(t, `apiserver_watch_events_total{group="tested",resource="things",version="v1"} 4`,
		`apiserver_watch_events_sizes_bucket{group="tested",resource="things",version="v1",le="1024"} 2`,
		`apiserver_watch_events_sizes_bucket{group="tested",resource="things",version="v1",le="2048"} 3`,
		`apiserver_watch_events_sizes_bucket{group="tested",resource="things",version="v1",le="131072"} 3`,
		`apiserver_watch_events_sizes_bucket{group="tested",resource="things",version="v1",le="+Inf"} 4`,
		`apiserver_watch_events_sizes_sum{group="tested",resource="things",version="v1"} 1.050725e+06`)
}

func TestCallsOfStorageAreCounted(t *testing.T) {
	before := figures(t)
	s := NewStorage("tested", "things")
	s.Called(StorageCreate, time.Now().Add(-time.Millisecond), nil)
	s.Called(StorageCreate, time.Now(), errors.New("no"))
	before.grown(t, `etcd_request_duration_seconds_count{group="tested",operation="create",resource="things"} 2`,
		`etcd_requests_total{group="tested",operation="create",resource="things"} 2`,
		`etcd_request_errors_total{group="tested",operation="create",resource="things"} 1`)
}

// Thousands of watchers get each event: counting is to cost next to nothing.
func BenchmarkWatchEvent(b *testing.B) {
	w := WatchEventsOf(schema.GroupVersionResource{Version: "v1", Resource: "pods"})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.Sent(3000)
		}
	})
}

func BenchmarkStorageCall(b *testing.B) {
	s := NewStorage("", "pods")
	for b.Loop() {
		s.Called(StorageUpdate, time.Now(), nil)
	}
}

func TestPanicsEndNoProcess(t *testing.T) {
	before := figures(t)
	Guarded("tested", func() { panic("boom") })()
	before.grown(t, `pilothouse_panics_total{in="tested"} 1`)
	runs := 0
	Kept(t.Context(), "tested", func() {
		if runs++; runs == 1 {
			panic("boom")
		}
	})()
	if runs != 2 {
		t.Errorf("it ran %d times", runs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Kept(ctx, "tested", func() { runs++; panic("boom") })()
	if runs != 3 {
		t.Errorf("it goes on after the end: %d", runs)
	}
	before.grown(t, `pilothouse_panics_total{in="tested"} 3`)
}
