package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func journal(t testing.TB, o JournalOptions) (*Journal, *Auditor) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.wait = time.Millisecond
	j, err := OpenJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	a := New(Options{Journal: j, Status: func(_ *request.Request, err error) *metav1.Status {
		code := int32(403)
		if err.Error() == "missing" {
			code = 404
		}
		return &metav1.Status{Status: "Failure", Code: code, Message: err.Error()}
	}})
	t.Cleanup(func() { a.Close(context.Background()) }) //nolint:errcheck // some tests break it
	return j, a
}

// do sends a request through the filter, which writes revisions or fails.
func do(a *Auditor, id, user, method, path string, fails error, revisions ...int64) {
	r := ask(method, path)
	r.ID, r.User, r.Received = id, &request.User{Name: user}, time.Now()
	r.Info = request.ParseInfo(method, path, false, "")
	r.Follow(nil)
	a.Filter(func(context.Context, *request.Request) (*request.Response, error) { //nolint:errcheck // it is in the journal
		for _, v := range revisions {
			r.Wrote(request.Written{Revision: v})
		}
		return &request.Response{}, fails
	})(context.Background(), r)
}

// found waits until the journal has n entries that fit, and gives their ids.
func found(t *testing.T, j *Journal, q Question, n int) []string {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		list, err := j.Find(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) >= n || time.Now().After(deadline) {
			var ids []string
			for _, e := range list {
				ids = append(ids, string(e.AuditID))
			}
			return ids
		}
		time.Sleep(time.Millisecond)
	}
}

func TestJournalKeepsWritesAndRefusals(t *testing.T) {
	j, a := journal(t, JournalOptions{})
	const pods = "/api/v1/namespaces/shop/pods"
	do(a, "create", "ann", "POST", pods, nil, 7)
	do(a, "read", "ann", "GET", pods+"/web", nil)
	do(a, "missing", "ann", "GET", pods+"/web", errors.New("missing"))
	do(a, "refused", "eve", "GET", pods+"/web", errors.New("no"))
	do(a, "event", "ann", "POST", "/api/v1/namespaces/shop/events", nil, 8)
	do(a, "lease", "ann", "PUT", "/apis/coordination.k8s.io/v1/namespaces/shop/leases/x", nil, 9)
	do(a, "delete", "bob", "DELETE", pods+"/web", nil, 10, 11)
	f := func(q Question, want ...string) {
		t.Helper()
		if got := found(t, j, q, len(want)); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", q, got, want)
		}
	}
	f(Question{}, "delete", "refused", "create")
	f(Question{User: "ann"}, "create")
	f(Question{Verb: "delete", Namespace: "shop", Resource: "pods", Name: "web"}, "delete")
	f(Question{Refused: true}, "refused")
	f(Question{Code: "2xx", User: "bob"}, "delete")
	f(Question{Code: "4xx"}, "refused")
	f(Question{Code: "403"}, "refused")
	f(Question{Code: "409"})
	f(Question{Text: "SHOP", Limit: 1}, "delete")
	f(Question{ID: "refused"}, "refused")
	f(Question{Until: time.Now().Add(-time.Hour)})
	f(Question{Since: time.Now().Add(-time.Hour)}, "delete", "refused", "create")
	who, err := j.Authors(context.Background(), []int64{7, 11, 12})
	if err != nil || len(who) != 2 || who[7].User.Username != "ann" || who[11].User.Username != "bob" || !slices.Equal(who[11].Written, []int64{10, 11}) {
		t.Errorf("%v %v", who, err)
	}
}

// A read that was refused is recorded when that is known; by then the request is
// the impersonated user's.
func TestJournalNamesBothOfAnImpersonation(t *testing.T) {
	j, a := journal(t, JournalOptions{})
	r := ask("GET", "/api/v1/namespaces/shop/secrets")
	r.ID, r.User, r.Received = "as", &request.User{Name: "ann"}, time.Now()
	r.Info = request.ParseInfo("GET", "/api/v1/namespaces/shop/secrets", false, "")
	r.Follow(nil)
	a.Filter(func(context.Context, *request.Request) (*request.Response, error) { //nolint:errcheck // it is in the journal
		r.Impersonator, r.User = r.User, &request.User{Name: "eve"}
		return nil, errors.New("no")
	})(t.Context(), r)
	found(t, j, Question{User: "eve"}, 1)
	list, err := j.Find(t.Context(), Question{User: "eve"})
	if err != nil || len(list) != 1 || list[0].User.Username != "ann" || list[0].ImpersonatedUser == nil || list[0].ImpersonatedUser.Username != "eve" {
		t.Errorf("%+v %v", list, err)
	}
}

// A policy's events come in at the policy's level, once, besides the journal's own.
func TestJournalWithAPolicy(t *testing.T) {
	j, a := journal(t, JournalOptions{})
	p, err := ParsePolicy([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata","verbs":["get"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	sink := &memory{}
	a.Policy, a.Sinks = p, []Sink{sink}
	do(a, "get", "ann", "GET", "/api/v1/namespaces/shop/pods/web", nil)
	do(a, "create", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 1)
	if got := found(t, j, Question{}, 2); !slices.Equal(got, []string{"create", "get"}) {
		t.Error(got)
	}
	if want := []string{"RequestReceived 0", "ResponseComplete 200"}; !slices.Equal(sink.stages, want) {
		t.Errorf("the policy asks for %v, not for %v", want, sink.stages)
	}
}

func TestJournalRetention(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	j, a := journal(t, JournalOptions{Dir: dir, MaxAge: 24 * time.Hour, MaxBytes: 20 << 10, segment: 2 << 10, Clock: func() time.Time { return now }})
	for i := range 200 {
		do(a, fmt.Sprint("w", i), "ann", "POST", "/api/v1/namespaces/shop/pods", nil, int64(i+1))
		if i%5 == 0 {
			found(t, j, Question{ID: fmt.Sprint("w", i)}, 1)
		}
	}
	found(t, j, Question{ID: "w199"}, 1)
	total, files := size(t, dir)
	if total > 24<<10 || files < 4 {
		t.Errorf("%d bytes in %d files", total, files)
	}
	if len(found(t, j, Question{ID: "w0"}, 0)) != 0 {
		t.Error("the oldest is still there")
	}
	now = now.Add(48 * time.Hour)
	do(a, "new", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 1000)
	if got := found(t, j, Question{ID: "new"}, 1); len(got) != 1 {
		t.Error(got)
	}
	if _, files := size(t, dir); files != 1 {
		t.Errorf("%d files after two days", files)
	}
}

func size(t *testing.T, dir string) (bytes int64, files int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes, files = bytes+info.Size(), files+1
	}
	return bytes, files
}

// What a crash leaves of a line is left out, and nothing else.
func TestJournalAfterACrash(t *testing.T) {
	dir := t.TempDir()
	j, a := journal(t, JournalOptions{Dir: dir})
	do(a, "one", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 1)
	do(a, "two", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 2)
	found(t, j, Question{}, 2)
	if err := a.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()-10); err != nil {
		t.Fatal(err)
	}
	j, a = journal(t, JournalOptions{Dir: dir})
	do(a, "three", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 3)
	if got := found(t, j, Question{}, 2); !slices.Equal(got, []string{"three", "one"}) {
		t.Error(got)
	}
}

// A full disk costs events, which are counted, and no request; when there is
// room again nothing of what is written then is lost.
func TestJournalOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	s := &segments{o: JournalOptions{Dir: dir, Clock: time.Now, segment: segmentBytes}, file: full, began: time.Now()}
	if err := s.send(context.Background(), []byte("1\t{}\n"), 1); err == nil {
		t.Fatal("a full disk has room")
	}
	real, err := os.Create(s.path(1))
	if err != nil {
		t.Fatal(err)
	}
	real.WriteString("2\t{\"half\":") //nolint:errcheck // the test reads it
	s.file = real
	if err := s.send(context.Background(), []byte("3\t{\"auditID\":\"x\"}\n"), 1); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.path(1))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	eachBackwards(bytes.NewReader(raw), int64(len(raw)), func(r []int64, event []byte) bool {
		if bytes.Equal(event, []byte(`{"auditID":"x"}`)) {
			got = r
		}
		return true
	})
	if !slices.Equal(got, []int64{3}) {
		t.Errorf("%q", raw)
	}
}

func TestJournalIsNotFloodedByRefusals(t *testing.T) {
	j, a := journal(t, JournalOptions{})
	for i := range 20 * refusalsPerSecond {
		do(a, fmt.Sprint("r", i), "eve", "GET", "/api/v1/secrets", errors.New("no"))
	}
	do(a, "write", "ann", "POST", "/api/v1/namespaces/shop/pods", nil, 1)
	found(t, j, Question{ID: "write"}, 1)
	if n := len(found(t, j, Question{Refused: true, Limit: 5000}, 1)); n < refusalsPerSecond || n > 10*refusalsPerSecond {
		t.Errorf("%d refusals", n)
	}
}

func FuzzJournalLines(f *testing.F) {
	f.Add([]byte("1,2\t{}\n\t{}\n"))
	f.Add([]byte("\n\n1\t"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := strings.Count(string(raw), "\n")
		n := 0
		eachBackwards(bytes.NewReader(raw), int64(len(raw)), func(_ []int64, event []byte) bool {
			n++
			if bytes.ContainsAny(event, "\n") {
				t.Errorf("%q is no line", event)
			}
			return true
		})
		if n > whole {
			t.Errorf("%d lines of %d", n, whole)
		}
	})
}

// What a write costs that only the journal keeps.
func BenchmarkJournal(b *testing.B) {
	_, a := journal(b, JournalOptions{MaxBytes: 64 << 20})
	b.ReportAllocs()
	for b.Loop() {
		do(a, "x", "ann", "POST", "/api/v1/namespaces/default/pods", nil, 1)
	}
}

// A file is read from its end, and only as far as somebody wants to know.
func TestFilesAreReadBackwards(t *testing.T) {
	var raw []byte
	lengths := []int{10, 3 * block, block - 30, 1, 9 * block, 200}
	for i, n := range lengths {
		raw = fmt.Appendf(raw, "%d\t{%q:%q}\n", i+1, "x", strings.Repeat("y", n))
	}
	raw = append(raw, "7\t{torn"...)
	read := &counted{bytes.NewReader(raw), 0}
	var got []int64
	more, err := eachBackwards(read, int64(len(raw)), func(r []int64, event []byte) bool {
		if want := lengths[r[0]-1] + len(`{"x":""}`); len(event) != want {
			t.Errorf("line %d has %d bytes, want %d", r[0], len(event), want)
		}
		got = append(got, r...)
		return true
	})
	if err != nil || !more || !slices.Equal(got, []int64{6, 5, 4, 3, 2, 1}) || read.n != len(raw) {
		t.Error(got, more, err, read.n, len(raw))
	}
	read.n = 0
	more, err = eachBackwards(read, int64(len(raw)), func([]int64, []byte) bool { return false })
	if err != nil || more || read.n > block {
		t.Error(more, err, read.n)
	}
}

type counted struct {
	io.ReaderAt
	n int
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, at)
	c.n += n
	return n, err
}

// What is older than the question is not looked at.
func TestQuestionsForRecentEventsEndEarly(t *testing.T) {
	now := time.Now()
	event := func(ago time.Duration) []byte {
		return fmt.Appendf(nil, `{"responseObject":{"stageTimestamp":"2001-01-01T00:00:00.000000Z"},"stageTimestamp":"%s","annotations":{"x":"\"stageTimestamp\":\"1990"}}`, now.Add(-ago).UTC().Format(metav1.RFC3339Micro))
	}
	f := func(event []byte, since time.Duration, want bool) {
		t.Helper()
		if got := endedBefore(event, now.Add(-since)); got != want {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
	f(event(time.Minute), time.Hour, false)
	f(event(2*time.Hour), time.Hour, true)
	f([]byte(`{}`), time.Hour, false)
	f([]byte(`{"stageTimestamp":"yesterday"}`), time.Hour, false)
}
