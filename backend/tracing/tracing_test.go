package tracing

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

type headers map[string]string

func (h headers) Get(name string) string { return h[strings.ToLower(name)] }
func (h headers) Values(string) []string { return nil }
func (h headers) Each(f func(name, value string)) {
	for k, v := range h {
		f(k, v)
	}
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func ask(groups ...string) *request.Request {
	const path = "/apis/apps/v1/namespaces/a/deployments/web/scale"
	return &request.Request{
		ID: "x", Method: "PUT", Path: path, Header: headers{"traceparent": parent}, Received: time.Now().Add(-time.Second),
		User: &request.User{Name: "ann", Groups: groups}, Info: request.ParseInfo("PUT", path, false, ""),
	}
}

func spans(t *testing.T, r *request.Request, h request.Handler) tracetest.SpanStubs {
	t.Helper()
	out := tracetest.NewInMemoryExporter()
	tr := New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(out), sdktrace.WithSampler(sdktrace.AlwaysSample())))
	r.Follow(nil)
	tr.Filter(h)(context.Background(), r) //nolint:errcheck // the spans tell
	got := out.GetSpans()
	if err := tr.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return got
}

func TestSpansOfARequest(t *testing.T) {
	sent := http.Header{}
	got := spans(t, ask(request.GroupMasters), func(ctx context.Context, r *request.Request) (*request.Response, error) {
		r.Mark("Authorized")
		Inject(ctx, sent)
		r.Step(1, "LimitRanger", &request.More{Error: "no"})
		r.Mark("Mutating admission")
		return nil, apierrors.NewUnauthorized("no")
	})
	var names []string
	byName := map[string]tracetest.SpanStub{}
	for _, s := range got {
		names = append(names, s.Name)
		byName[s.Name] = s
	}
	slices.Sort(names)
	const root = "PUT /apis/apps/v1/namespaces/{:namespace}/deployments/{:name}/scale"
	if want := []string{"Authorized", "LimitRanger", "Mutating admission", root}; !slices.Equal(names, want) {
		t.Fatalf("%v, want %v", names, want)
	}
	if byName["LimitRanger"].Parent.SpanID() != byName["Mutating admission"].SpanContext.SpanID() ||
		byName["Mutating admission"].Parent.SpanID() != byName[root].SpanContext.SpanID() {
		t.Error("the spans are not in each other")
	}
	r := byName[root]
	if r.SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || r.Parent.SpanID().String() != "b7ad6b7169203331" {
		t.Error("the caller's trace is not gone on with")
	}
	if took := r.EndTime.Sub(r.StartTime); took < time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(sent.Get("Traceparent"), r.SpanContext.SpanID().String()) {
		t.Errorf("a webhook is sent %v", sent)
	}
	for _, a := range r.Attributes {
		if a.Key == "http.response.status_code" && a.Value.AsInt64() != 401 {
			t.Errorf("%v", a.Value)
		}
	}
}

// Who is nobody cannot have the server go on with their trace.
func TestTracesOfStrangersAreLinked(t *testing.T) {
	got := spans(t, ask(request.GroupAuthenticated), func(context.Context, *request.Request) (*request.Response, error) { return &request.Response{}, nil })
	root := got[len(got)-1]
	if root.SpanContext.TraceID().String() == "0af7651916cd43dd8448eb211c80319c" || len(root.Links) != 1 {
		t.Errorf("%+v", root)
	}
}

func TestPanicEndsTheSpan(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic is lost")
		}
	}()
	out := tracetest.NewInMemoryExporter()
	tr := New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(out)))
	defer func() {
		if len(out.GetSpans()) != 1 {
			t.Error("no span")
		}
	}()
	tr.Filter(func(context.Context, *request.Request) (*request.Response, error) { panic(errors.New("boom")) })(context.Background(), ask(request.GroupMasters)) //nolint:errcheck // it panics
}

func TestLoadConfig(t *testing.T) {
	f := func(text, fault string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tracing.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(path)
		switch {
		case fault == "" && (err != nil || c == nil):
			t.Errorf("%s: %v", text, err)
		case fault != "" && (err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want %s", text, err, fault)
		}
	}
	const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"
	f(head+"endpoint: localhost:4317\nsamplingRatePerMillion: 100\n", "")
	f(head, "")
	f(strings.Replace(head, "/v1", "/v1beta1", 1), "")
	f(head+"samplingRatePerMillion: 1000001\n", "less than or equal to")
	f(head+"sampling: 1\n", "unknown field")
	f("kind: TracingConfiguration\napiVersion: v1\n", "want apiVersion")
}

// A request without a span pays for the question only.
func BenchmarkNotSampled(b *testing.B) {
	tr := New(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))
	r := ask(request.GroupMasters)
	r.Header = headers{}
	h := tr.Filter(func(context.Context, *request.Request) (*request.Response, error) { return &request.Response{}, nil })
	b.ReportAllocs()
	for b.Loop() {
		h(context.Background(), r) //nolint:errcheck // a benchmark
	}
}
