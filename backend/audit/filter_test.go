package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type memory struct {
	stages []string
	err    error
}

func (m *memory) Write(e *Event) error {
	code := e.code
	if e.status != nil {
		code = int(e.status.Code)
	}
	m.stages = append(m.stages, fmt.Sprint(e.stage, " ", code))
	return m.err
}

func (*memory) Close(context.Context) error { return nil }

type headers http.Header

func (h headers) Get(name string) string      { return http.Header(h).Get(name) }
func (h headers) Values(name string) []string { return http.Header(h).Values(name) }
func (h headers) Each(f func(name, value string)) {
	for name := range h {
		f(name, http.Header(h).Get(name))
	}
}

func ask(method, path string) *request.Request {
	return &request.Request{
		ID: "id", Method: method, Path: path, RawPath: path, Header: headers{"User-Agent": {"kubectl/v1.36"}}, RemoteAddr: "127.0.0.1:5",
		Received: time.Now(), User: &request.User{Name: "ann", Groups: []string{"system:authenticated"}}, Info: request.ParseInfo(method, path, false, ""),
	}
}

func statusOf(_ *request.Request, err error) *metav1.Status {
	var s apierrors.APIStatus
	if errors.As(err, &s) {
		status := s.Status()
		return &status
	}
	return &metav1.Status{Code: 500}
}

func metadata(t testing.TB, sinks ...Sink) *Auditor {
	return New(Options{Policy: policyOf(t, "rules: [{level: None, verbs: [put]}, {level: Metadata}]"), Sinks: sinks, Status: statusOf})
}

func TestStages(t *testing.T) {
	f := func(method, path, want string, h request.Handler) {
		t.Helper()
		m := &memory{}
		func() {
			defer func() { recover() }() //nolint:errcheck // the panic goes on, which is what is wanted
			p, err := metadata(t, m).Filter(h)(context.Background(), ask(method, path))
			if err == nil && p != nil && p.Chunked != nil {
				p.Chunked(context.Background(), nil) //nolint:errcheck // its error is the transport's
			}
			if err == nil && p != nil && p.Hijack != nil {
				p.Hijack(context.Background(), nil)
			}
		}()
		if got := strings.Join(m.stages, ", "); got != want {
			t.Errorf("%s %s: %s, want %s", method, path, got, want)
		}
	}
	answer := func(p *request.Response, err error) request.Handler {
		return func(context.Context, *request.Request) (*request.Response, error) { return p, err }
	}
	const pod = "/api/v1/namespaces/a/pods/p"
	f("GET", pod, "RequestReceived 0, ResponseComplete 200", answer(&request.Response{}, nil))
	f("GET", pod, "RequestReceived 0, ResponseComplete 403", answer(nil, apierrors.NewForbidden(metav1.SchemeGroupVersion.WithResource("x").GroupResource(), "", nil)))
	f("GET", pod, "RequestReceived 0, ResponseComplete 429", answer(nil, apierrors.NewTooManyRequests("", 1)))
	f("PUT", "/x", "", answer(&request.Response{}, nil))
	f("GET", pod+"/log", "RequestReceived 0, ResponseStarted 200, ResponseComplete 200", answer(&request.Response{}, nil))
	f("GET", pod+"/log", "RequestReceived 0, ResponseStarted 404, ResponseComplete 404", answer(nil, apierrors.NewNotFound(metav1.SchemeGroupVersion.WithResource("x").GroupResource(), "")))
	chunks := func(context.Context, request.ChunkWriter) error { return nil }
	f("GET", pod+"/log", "RequestReceived 0, ResponseStarted 200, ResponseComplete 200", answer(&request.Response{Chunked: chunks}, nil))
	f("GET", pod+"/log", "RequestReceived 0, ResponseStarted 200, Panic 500", answer(&request.Response{
		Chunked: func(context.Context, request.ChunkWriter) error { panic("x") }}, nil))
	f("GET", pod, "RequestReceived 0, Panic 500", func(context.Context, *request.Request) (*request.Response, error) { panic("x") })
}

func TestStrictRefusesWhatCannotBeKept(t *testing.T) {
	called := false
	h := metadata(t, &memory{err: errors.New("full")}).Filter(func(context.Context, *request.Request) (*request.Response, error) {
		called = true
		return &request.Response{}, nil
	})
	p, err := h(context.Background(), ask("GET", "/x"))
	if called || err != nil || p.Status != 500 || string(p.Body) != `Internal Server Error: "/x": failed to store audit event`+"\n" {
		t.Error(called, err, p)
	}
}

func TestSourceIPs(t *testing.T) {
	f := func(forwarded, real, remote, want string) {
		t.Helper()
		r := &request.Request{Header: headers{"X-Forwarded-For": {forwarded}, "X-Real-Ip": {real}}, RemoteAddr: remote}
		if got := strings.Join(sourceIPs(r), " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f("", "", "10.0.0.1:5", "10.0.0.1")
	f("", "", "[::1]:5", "::1")
	f("", "", "", "")
	f("1.1.1.1, x, 2.2.2.2", "1.1.1.1", "3.3.3.3:1", "1.1.1.1 2.2.2.2 3.3.3.3")
	f("1.1.1.1", "2.2.2.2", "2.2.2.2:1", "1.1.1.1 2.2.2.2")
}

func TestManagedFieldsAreLeftOut(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(withoutManagedFields([]byte(in))); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	f(`{"metadata":{"managedFields":[{}],"name":"a"},"n":12345678901234567890}`, `{"metadata":{"name":"a"},"n":12345678901234567890}`)
	f(`{"items":[{"metadata":{"managedFields":[]}},null]}`, `{"items":[{"metadata":{}},null]}`)
	f(`{"rows":[{"object":{"metadata":{"managedFields":[]}}}]}`, `{"rows":[{"object":{"metadata":{}}}]}`)
	f(`["managedFields"]`, `["managedFields"]`)
}

func benchmark(b *testing.B, o LogOptions) {
	o.Path, o.Format = filepath.Join(b.TempDir(), "audit.log"), FormatJSON
	s, err := OpenLog(o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(context.Background()) //nolint:errcheck // a benchmark
	h := metadata(b, s).Filter(func(_ context.Context, r *request.Request) (*request.Response, error) {
		r.Annotate("authorization.k8s.io/decision", "allow")
		r.Annotate("authorization.k8s.io/reason", "RBAC: allowed by ClusterRoleBinding \"x\"")
		return &request.Response{}, nil
	})
	one := ask("GET", "/api/v1/namespaces/default/pods/p")
	b.ReportAllocs()
	for b.Loop() {
		r := request.Request{ID: one.ID, Method: one.Method, RawPath: one.RawPath, Header: one.Header, RemoteAddr: one.RemoteAddr, User: one.User, Info: one.Info, Received: one.Received}
		if _, err := h(context.Background(), &r); err != nil {
			b.Fatal(err)
		}
	}
}

// Both events of a request, at Metadata.
func BenchmarkMetadata(b *testing.B) {
	b.Run("batch", func(b *testing.B) {
		benchmark(b, LogOptions{Mode: ModeBatch, Batch: BatchOptions{BufferSize: 1 << 30, MaxSize: 400, MaxWait: time.Second}})
	})
	b.Run("blocking", func(b *testing.B) { benchmark(b, LogOptions{Mode: ModeBlocking, MaxSize: 100}) })
}
