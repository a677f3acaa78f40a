// Package tracing owns the OpenTelemetry spans of requests: where they are sent
// (--tracing-config-file), which requests have some, and how a request's stages
// become spans. What a request went through it takes from request.Life, so a
// request without a span costs nothing. Read tracing.go first.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"pilothouse/backend/life"
	"pilothouse/backend/request"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/component-base/tracing"
	tracingapi "k8s.io/component-base/tracing/api/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Tracer sends spans.
type Tracer struct {
	provider tracing.TracerProvider
	tracer   trace.Tracer
}

// Service is what spans say they are of.
const Service = "apiserver"

// scope names the code that makes the spans.
const scope = "pilothouse/backend/tracing"

// LoadConfig reads a TracingConfiguration of apiserver.config.k8s.io. An error is
// one line and names the file.
func LoadConfig(path string) (*tracingapi.TracingConfiguration, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	return c, nil
}

func parse(b []byte) (*tracingapi.TracingConfiguration, error) {
	j, err := yaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, err
	}
	var c apiserverv1.TracingConfiguration
	strict, err := json.UnmarshalStrict(j, &c)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	group, version, _ := strings.Cut(c.APIVersion, "/")
	if group != "apiserver.config.k8s.io" || c.Kind != "TracingConfiguration" || version != "v1" && version != "v1beta1" && version != "v1alpha1" {
		return nil, fmt.Errorf("want apiVersion apiserver.config.k8s.io/v1 and kind TracingConfiguration, not %q and %q", c.APIVersion, c.Kind)
	}
	if errs := tracingapi.ValidateTracingConfiguration(&c.TracingConfiguration, nil, field.NewPath("tracing")); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return &c.TracingConfiguration, nil
}

// Open begins to send spans as a configuration says; name is this server's.
// Nothing is sent before the first span, and a collector that is not there is
// no error.
func Open(ctx context.Context, c *tracingapi.TracingConfiguration, name string) (*Tracer, error) {
	p, err := tracing.NewProvider(ctx, c, nil, []resource.Option{resource.WithAttributes(
		attribute.String("service.name", Service), attribute.String("service.instance.id", name),
	)})
	if err != nil {
		return nil, err
	}
	return New(p), nil
}

// New gives a Tracer over a provider.
func New(p tracing.TracerProvider) *Tracer { return &Tracer{p, p.Tracer(scope)} }

// Close sends what waits, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

var propagator = propagation.TraceContext{}

// Filter gives requests a span. The trace of a caller whom the server trusts is
// gone on with; anybody else's is only linked, so that nobody can have the server
// send as much as they like. Calls of webhooks carry the span on.
func (t *Tracer) Filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		options := []trace.SpanStartOption{trace.WithTimestamp(r.Received), trace.WithSpanKind(trace.SpanKindServer)}
		remote := propagator.Extract(ctx, carrier{r.Header})
		if sc := trace.SpanContextFromContext(remote); sc.IsValid() && !trusted(r.User) {
			options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: sc}))
		}
		_, span := t.tracer.Start(remote, name(r), options...)
		if !span.IsRecording() {
			return next(trace.ContextWithSpan(ctx, span), r)
		}
		span.SetAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("url.path", r.Path), attribute.String("user_agent.original", r.Header.Get("User-Agent")),
			attribute.String("client.address", r.RemoteAddr), attribute.String("audit-id", r.ID),
		)
		ctx = trace.ContextWithSpan(ctx, span)
		ended := false
		defer func() {
			if !ended { // a panic goes by
				span.SetStatus(codes.Error, "panic")
				span.End()
			}
		}()
		p, err := next(ctx, r)
		ended = true
		t.end(ctx, span, r, p, err)
		return p, err
	}
}

func trusted(u *request.User) bool {
	return u.InGroup(request.GroupMasters) || u.InGroup("system:monitoring")
}

// name is the span's: the method and the path without names, as in Kubernetes.
func name(r *request.Request) string {
	i := &r.Info
	if !i.IsResource {
		return r.Method + " " + i.Path
	}
	var b strings.Builder
	b.WriteString(r.Method + " /" + i.APIPrefix)
	for _, part := range []string{i.Group, i.Version} {
		if part != "" {
			b.WriteString("/" + part)
		}
	}
	if i.Namespace != "" {
		b.WriteString("/namespaces/{:namespace}")
	}
	b.WriteString("/" + i.Resource)
	if i.Name != "" {
		b.WriteString("/{:name}")
	}
	if i.Subresource != "" {
		b.WriteString("/" + i.Subresource)
	}
	return b.String()
}

// end makes spans of the request's stages and ends its own.
func (t *Tracer) end(ctx context.Context, span trace.Span, r *request.Request, p *request.Response, err error) {
	now := time.Now()
	for _, s := range life.Steps(r.Life().Marks(), now.Sub(r.Received)) {
		t.stage(ctx, &s, r.Received)
	}
	code := http.StatusOK
	if p != nil && p.Status != 0 {
		code = p.Status
	}
	if err != nil {
		code = http.StatusInternalServerError
		var status apierrors.APIStatus
		if errors.As(err, &status) {
			code = int(status.Status().Code)
		}
		span.RecordError(err)
	}
	if code >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(attribute.Int("http.response.status_code", code))
	span.End(trace.WithTimestamp(now))
}

func (t *Tracer) stage(ctx context.Context, s *life.Step, received time.Time) {
	began := received.Add(s.Began)
	ctx, span := t.tracer.Start(ctx, s.Name, trace.WithTimestamp(began))
	for i := range s.Parts {
		t.stage(ctx, &s.Parts[i], received)
	}
	if s.Error != "" {
		span.SetStatus(codes.Error, s.Error)
	}
	span.End(trace.WithTimestamp(began.Add(s.Took)))
}

// carrier reads the headers of a request.
type carrier struct{ h request.Header }

// Get gives a header.
func (c carrier) Get(key string) string { return c.h.Get(key) }

// Set is for requests that go out.
func (carrier) Set(string, string) {}

// Keys gives the names of all headers.
func (c carrier) Keys() (names []string) {
	c.h.Each(func(name, _ string) { names = append(names, name) })
	return names
}

// Inject writes the span of ctx, if it has one, into the headers of a request
// that goes out.
func Inject(ctx context.Context, h http.Header) {
	propagator.Inject(ctx, propagation.HeaderCarrier(h))
}
