package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

func testEvent(id string) *Event {
	return &Event{
		level: auditv1.LevelMetadata, stage: auditv1.StageResponseComplete, id: id, uri: "/api/v1/pods?a=<b>", verb: "list",
		user:     &request.User{Name: "zoë", UID: "1", Groups: []string{"a", `q"`}, Extra: map[string][]string{"k/x": {"v"}, "a": nil}},
		as:       &request.User{Name: "eve"},
		received: time.Unix(1, 2000), at: time.Unix(2, 0), code: 200, sourceIPs: []string{"::1"}, agent: "x\n",
		ref: &auditv1.ObjectReference{Resource: "pods", APIVersion: "v1"}, annotations: []note{{"a", "1"}, {"b", "2"}},
	}
}

func TestEventIsReadAsOne(t *testing.T) {
	e := testEvent("id")
	e.request, e.constraint = []byte(`{"x":1}`), "impersonate:user-info"
	var got auditv1.Event
	if err := json.Unmarshal(e.Line(), &got); err != nil {
		t.Fatalf("%v: %s", err, e.Line())
	}
	// What Kubernetes' type writes is the same text again.
	var again bytes.Buffer
	if err := json.NewEncoder(&again).Encode(&got); err != nil {
		t.Fatal(err)
	}
	if again.String() != strings.Replace(string(e.Line()), `"a":[],`, `"a":[],`, 1) {
		t.Errorf("got  %s\nwant %s", e.Line(), again.String())
	}
	const want = `1970-01-01T00:00:01.000002Z AUDIT: id="id" stage="ResponseComplete" ip="::1" method="list" user="zoë" groups="\"a\",\"q\\\"\"" as="eve" asgroups="<lookup>" user-agent="x\n" namespace="<none>" uri="/api/v1/pods?a=<b>" response="200"` + "\n"
	if got := e.Legacy(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// receiver is a webhook that can be out.
type receiver struct {
	*httptest.Server
	out, posts atomic.Int64
	mu         sync.Mutex
	ids        map[string]bool
}

func newReceiver(t *testing.T) (*receiver, string) {
	r := &receiver{ids: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.posts.Add(1)
		if r.out.Add(-1) >= 0 {
			http.Error(w, "out", http.StatusBadGateway)
			return
		}
		var list auditv1.EventList
		raw, err := io.ReadAll(q.Body)
		if err != nil || json.Unmarshal(raw, &list) != nil || list.Kind != "EventList" || list.APIVersion != "audit.k8s.io/v1" {
			t.Errorf("bad list: %v %s", err, raw)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range list.Items {
			r.ids[string(e.AuditID)] = true
		}
	}))
	t.Cleanup(r.Close)
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: %s/audit}}]\ncontexts: [{name: a, context: {cluster: a}}]\ncurrent-context: a\n", r.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r, path
}

func (r *receiver) got() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func closed(t *testing.T, s Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestWebhookSurvivesAnOutage(t *testing.T) {
	r, config := newReceiver(t)
	r.out.Store(3)
	s, err := OpenWebhook(WebhookOptions{ConfigFile: config, Mode: ModeBatch, InitialBackoff: time.Millisecond,
		Batch: BatchOptions{BufferSize: 1000, MaxSize: 10, MaxWait: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 25 {
		all.Go(func() {
			if err := s.Write(testEvent(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	closed(t, s) // sends the five that do not make a batch
	if r.got() != 25 {
		t.Errorf("%d of 25 events arrived", r.got())
	}
	if err := s.Write(testEvent("late")); err != nil || r.got() != 25 {
		t.Error("an event after the end", err)
	}
}

func TestTheEndDoesNotWaitForBackoff(t *testing.T) {
	r, config := newReceiver(t)
	r.out.Store(1)
	s, err := OpenWebhook(WebhookOptions{ConfigFile: config, Mode: ModeBatch, InitialBackoff: time.Hour, Batch: BatchOptions{BufferSize: 10, MaxSize: 1, MaxWait: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(testEvent("a")); err != nil {
		t.Fatal(err)
	}
	for r.posts.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	closed(t, s)
	if r.got() != 1 {
		t.Error("the event was given up")
	}
}

func TestModesWhenTheWebhookIsOut(t *testing.T) {
	f := func(mode string, fails bool) {
		t.Helper()
		r, config := newReceiver(t)
		r.out.Store(1000)
		s, err := OpenWebhook(WebhookOptions{ConfigFile: config, Mode: mode, InitialBackoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(testEvent("a")); (err != nil) != fails {
			t.Errorf("%s: %v", mode, err)
		}
		if r.posts.Load() != postTries {
			t.Errorf("%s: %d posts", mode, r.posts.Load())
		}
		closed(t, s)
	}
	f(ModeBlocking, false)
	f(ModeBlockingStrict, true)
}

// broken is a destination that panics at first.
type broken struct {
	sizes
	calls int
}

func (k *broken) send(ctx context.Context, data []byte, n int) error {
	if k.calls++; k.calls == 1 {
		panic("broken")
	}
	return k.sizes.send(ctx, data, n)
}

func TestAPanicCostsOneBatch(t *testing.T) {
	to := &broken{}
	b := newBatcher("broken", BatchOptions{BufferSize: 3, MaxSize: 1, MaxWait: time.Hour}, to)
	for range 3 {
		if err := b.Write(testEvent("id")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b.Close(ctx) //nolint:errcheck // what came is looked at
	if to.calls != 3 || len(to.got) != 2 {
		t.Errorf("%d calls, %v came", to.calls, to.got)
	}
}

// stuck is a destination that sends nothing until it is cut off.
type stuck struct{ logFile }

func (*stuck) send(ctx context.Context, _ []byte, _ int) error { <-ctx.Done(); return ctx.Err() }

func TestABatcherKeepsNoMoreThanItsBuffer(t *testing.T) {
	b := newBatcher("stuck", BatchOptions{BufferSize: 3, MaxSize: 1, MaxWait: time.Hour}, &stuck{})
	for range 10 {
		if err := b.Write(testEvent("a")); err != nil {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	held := b.held
	b.mu.Unlock()
	if held != 3 {
		t.Errorf("%d events are held", held)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestLogIsRotated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "audit.log")
	s, err := OpenLog(LogOptions{Path: path, Format: FormatJSON, MaxSize: 1, MaxBackups: 10, Compress: true, Mode: ModeBlocking})
	if err != nil {
		t.Fatal(err)
	}
	big := testEvent("big")
	big.request = []byte(`"` + strings.Repeat("x", 300<<10) + `"`)
	for range 5 {
		if err := s.Write(big); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	deadline := time.Now().Add(time.Minute)
	for {
		packed, err := filepath.Glob(filepath.Join(dir, "deep", "audit-*.log.gz"))
		if err != nil {
			t.Fatal(err)
		}
		if len(packed) == 1 && lines(t, packed[0], true)+lines(t, path, false) == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v after 5 events", packed)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func lines(t *testing.T, path string, packed bool) int {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if packed {
		if r, err = gzip.NewReader(f); err != nil {
			return 0 // not finished
		}
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return 0
	}
	return bytes.Count(raw, []byte("\n"))
}

func TestLegacyLogInBatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s, err := OpenLog(LogOptions{Path: path, Format: FormatLegacy, Mode: ModeBatch, Batch: BatchOptions{BufferSize: 10, MaxSize: 4, MaxWait: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := s.Write(testEvent(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), " AUDIT: id="); n != 6 || lines(t, path, false) != 6 {
		t.Errorf("%d events", n)
	}
}

// shortDisk takes a few bytes more and then nothing, until it is given room.
type shortDisk struct {
	bytes.Buffer
	room int
}

func (d *shortDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (*shortDisk) Close() error { return nil }

// What a full disk or a crash left of an event costs that event alone.
func TestATornLineIsLeftAlone(t *testing.T) {
	whole := func(raw string) (ids []string) {
		for line := range strings.Lines(raw) {
			var e auditv1.Event
			if json.Unmarshal([]byte(line), &e) == nil && e.AuditID != "" {
				ids = append(ids, string(e.AuditID))
			}
		}
		return ids
	}
	disk := &shortDisk{room: 10_000}
	b := &blocking{plugin: pluginLog, to: &logFile{w: disk}}
	for i := range 3 {
		if disk.room = 10_000; i == 1 {
			disk.room = 30
		}
		if err := b.Write(testEvent(fmt.Sprint(i))); err != nil {
			t.Error(err)
		}
	}
	if got := whole(disk.String()); !slices.Equal(got, []string{"0", "2"}) {
		t.Errorf("%v of\n%s", got, disk.String())
	}

	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte(`{"kind":"Event","audit`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} { // the second one finds a whole line
		s, err := OpenLog(LogOptions{Path: path, Format: FormatJSON, Mode: ModeBlocking, MaxSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(testEvent(id)); err != nil {
			t.Error(err)
		}
		closed(t, s)
	}
	raw, err := os.ReadFile(path)
	if got := whole(string(raw)); err != nil || !slices.Equal(got, []string{"a", "b"}) || strings.Count(string(raw), "\n") != 3 {
		t.Errorf("%v %v of\n%s", got, err, raw)
	}
}
