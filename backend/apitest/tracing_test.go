package apitest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/config"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// spanCollector is an OpenTelemetry collector that keeps the spans it is sent.
type spanCollector struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex // guards the fields below
	spans    []*tracev1.Span
	resource map[string]string
}

func (c *spanCollector) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range r.ResourceSpans {
		c.resource = attributes(of.Resource.Attributes)
		for _, scope := range of.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// has tells whether there is a span of a request of somebody.
func (c *spanCollector) has(agent string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.spans, func(s *tracev1.Span) bool { return attributes(s.Attributes)["user_agent.original"] == agent })
}

func attributes(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[a.Key] = fmt.Sprint(v.IntValue)
		}
	}
	return out
}

// traced starts a server whose spans go to an address.
func traced(t *testing.T, address string) *Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tracing.yaml")
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: " + address + "\nsamplingRatePerMillion: 1000000\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, Options{Change: func(o *config.Options) { o.Features.TracingConfigFile = path }})
}

// What a collector gets over the network: a span for the request, in the trace of
// a caller whom the server trusts, with those of its stages in it.
func TestSpansReachACollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := &spanCollector{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, c)
	go server.Serve(l) //nolint:errcheck // Stop ends it
	t.Cleanup(server.Stop)
	s := traced(t, l.Addr().String())
	// What the start does makes more spans than may wait at once: the story is told
	// when one of a request of this test gets through.
	eventually(t, func() string {
		s.Admin().Do("GET", "/api/v1/namespaces/default", nil, "User-Agent", "knock").Must(200)
		if c.has("knock") {
			return ""
		}
		return "no span reaches the collector"
	})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s.Admin().Do("POST", "/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"traced"}}`, "Traceparent", parent, "Audit-ID", "traced-1", "User-Agent", "story").Must(201)
	s.Stop() // sends what waits

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resource["service.name"] != "apiserver" || c.resource["service.instance.id"] == "" {
		t.Errorf("the resource is %v", c.resource)
	}
	byName := map[string]*tracev1.Span{}
	for _, span := range c.spans {
		if fmt.Sprintf("%x", span.TraceId) == "0af7651916cd43dd8448eb211c80319c" {
			byName[span.Name] = span
		}
	}
	root := byName["POST /api/v1/namespaces/{:namespace}/configmaps"]
	if root == nil {
		t.Fatalf("the request has no span among %d", len(c.spans))
	}
	if fmt.Sprintf("%x", root.ParentSpanId) != "b7ad6b7169203331" || root.Kind != tracev1.Span_SPAN_KIND_SERVER || root.EndTimeUnixNano <= root.StartTimeUnixNano {
		t.Errorf("%v", root)
	}
	got := attributes(root.Attributes)
	for key, want := range map[string]string{
		"http.request.method": "POST", "url.path": "/api/v1/namespaces/default/configmaps", "audit-id": "traced-1",
		"user_agent.original": "story", "http.response.status_code": "201",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	in := func(name string, parent *tracev1.Span) {
		t.Helper()
		span := byName[name]
		if span == nil || parent == nil || string(span.ParentSpanId) != string(parent.SpanId) {
			t.Errorf("%s is %v, not in %v", name, span, parent)
		}
	}
	in("Authorized", root)
	in("Object stored in database", root)
	in("Mutating admission", root)
	in("NamespaceLifecycle", byName["Mutating admission"])
}

// A collector that is not there, and one that says nothing, cost no request
// anything and keep no server from ending.
func TestAnOutageOfTheCollectorCostsNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, address := range []string{"127.0.0.1:1", silent.Addr().String()} {
		s := traced(t, address)
		for i := range 600 { // more than wait for the collector at once
			began := time.Now()
			s.Admin().Get("/api/v1/namespaces/default").Must(200)
			if took := time.Since(began); took > 30*time.Second {
				t.Fatalf("%s: request %d took %v", address, i, took)
			}
		}
		s.Stop()
	}
}
