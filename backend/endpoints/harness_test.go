package endpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/fieldmanager"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/storage/memory"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// api is a Handler over the built-in resources and an engine in memory.
type api struct {
	testing.TB
	*Handler
	ctx context.Context
	now *atomic.Pointer[time.Time]
}

func newAPI(t testing.TB, change ...func(*Config)) *api {
	t.Helper()
	a := &api{TB: t, ctx: t.Context(), now: &atomic.Pointer[time.Time]{}}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a.now.Store(&start)
	clock := func() time.Time { return *a.now.Load() }
	r, err := registry.New(registry.Options{Engine: memory.New(), Clock: clock, FutureWait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Add(resources.All(&registry.Env{Clock: clock, Registry: r})...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := Config{Registry: r, FieldManager: fieldmanager.New(), Clock: clock}
	for _, f := range change {
		f(&config)
	}
	a.Handler = New(config)
	return a
}

// in is the same api for another test.
func (a *api) in(t testing.TB) *api { return &api{TB: t, Handler: a.Handler, ctx: a.ctx, now: a.now} }

// sleep lets time go by for everything that looks at the clock.
func (a *api) sleep(d time.Duration) {
	later := a.now.Load().Add(d)
	a.now.Store(&later)
}

type header map[string]string

func (h header) Get(name string) string { return h[name] }
func (h header) Values(name string) []string {
	if v, ok := h[name]; ok {
		return []string{v}
	}
	return nil
}
func (h header) Each(f func(name, value string)) {
	for k, v := range h {
		f(k, v)
	}
}

// answer is what a request gave.
type answer struct {
	t        testing.TB
	code     int
	mime     string
	body     []byte
	warnings []string
}

// request makes the request that the transport would make.
func (a *api) request(method, target, body string, h header) *request.Request {
	path, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		a.Fatal(err)
	}
	if h == nil {
		h = header{}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = "test/1.0"
	}
	r := &request.Request{Method: method, Path: decoded, RawPath: path, RawQuery: query, Header: h, Body: []byte(body),
		User: &request.User{Name: "tester"}}
	values, ok := r.Query()["watch"]
	watch := ok && values[0] != "0" && values[0] != "false"
	name := ""
	if s, err := fields.ParseSelector(r.Query().Get("fieldSelector")); err == nil {
		name, _ = s.RequiresExactMatch("metadata.name")
	}
	r.Info = request.ParseInfo(method, decoded, watch && method == "GET", name)
	return r
}

func (a *api) do(method, target, body string, h header) answer {
	a.Helper()
	return a.serve(a.request(method, target, body, h))
}

func (a *api) serve(r *request.Request) answer {
	a.Helper()
	ctx, cancel := context.WithTimeout(request.With(a.ctx, r), time.Minute)
	defer cancel()
	p, err := a.Serve(ctx, r)
	out := answer{t: a.TB, warnings: r.Warnings()}
	if err != nil {
		return out.fail(err)
	}
	out.code, out.mime = p.Status, p.ContentType
	if out.code == 0 {
		out.code = http.StatusOK
	}
	out.body = bodyOf(a, ctx, p)
	return out
}

func (out answer) fail(err error) answer {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		out.code, out.body = http.StatusInternalServerError, []byte("hidden: "+err.Error())
		return out
	}
	s := status.Status()
	out.code, out.mime = int(s.Code), "application/json"
	out.body, _ = json.Marshal(s)
	return out
}

func bodyOf(a *api, ctx context.Context, p *request.Response) []byte {
	a.Helper()
	switch {
	case p.Stream != nil:
		var b bytes.Buffer
		if err := p.Stream.WriteTo(&b); err != nil {
			a.Fatal(err)
		}
		if int64(b.Len()) != p.Stream.Len() {
			a.Errorf("stream is %d bytes long and says %d", b.Len(), p.Stream.Len())
		}
		return b.Bytes()
	case p.Chunked != nil:
		w := &chunks{}
		if err := p.Chunked(ctx, w); err != nil {
			a.Errorf("stream: %v", err)
		}
		return w.bytes()
	}
	return p.Body
}

// chunks is a request.ChunkWriter that keeps everything.
type chunks struct {
	mu      sync.Mutex
	b       bytes.Buffer
	flushes int
	sent    int
	signal  chan struct{} // when not nil, told of each flush
}

func (c *chunks) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *chunks) Flush() error {
	c.mu.Lock()
	c.flushes++
	c.sent = c.b.Len()
	c.mu.Unlock()
	if c.signal != nil {
		c.signal <- struct{}{}
	}
	return nil
}

func (c *chunks) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.b.Bytes()[:c.sent]...)
}

// has checks the code and that the body holds all of the given texts.
func (p answer) has(code int, texts ...string) answer {
	p.t.Helper()
	if p.code != code {
		p.t.Errorf("code %d, want %d: %.600s", p.code, code, p.body)
	}
	for _, text := range texts {
		if !bytes.Contains(p.body, []byte(text)) {
			p.t.Errorf("no %s in %.1500s", text, p.body)
		}
	}
	return p
}

// lacks checks that the body holds none of the texts.
func (p answer) lacks(texts ...string) answer {
	p.t.Helper()
	for _, text := range texts {
		if bytes.Contains(p.body, []byte(text)) {
			p.t.Errorf("there is %s in %.1500s", text, p.body)
		}
	}
	return p
}

// message checks a Status' code and message.
func (p answer) message(code int, text string) answer {
	p.t.Helper()
	var s metav1.Status
	if err := json.Unmarshal(p.body, &s); err != nil {
		p.t.Fatalf("%v: %.300s", err, p.body)
	}
	if p.code != code || s.Message != text {
		p.t.Errorf("%d %q, want %d %q", p.code, s.Message, code, text)
	}
	return p
}

// field gives a value out of a JSON body by its path.
func (p answer) field(path ...string) any {
	p.t.Helper()
	var v any
	if err := json.Unmarshal(p.body, &v); err != nil {
		p.t.Fatalf("%v: %.300s", err, p.body)
	}
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

const (
	configMaps = "/api/v1/namespaces/default/configmaps"
	tableForm1 = "application/json;as=Table;v=v1;g=meta.k8s.io"
	partialV1  = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	partials   = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
)

// configMap creates a ConfigMap and gives its resourceVersion.
func (a *api) configMap(name, rest string) string {
	a.Helper()
	if rest != "" {
		rest = "," + rest
	}
	p := a.do("POST", configMaps, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"`+name+`"}`+rest+`}`, nil).has(201)
	rv, _ := p.field("metadata", "resourceVersion").(string)
	return rv
}

func mustLookup(a *api, group, version, resource string) *registry.Entry {
	a.Helper()
	e, ok := a.Registry.Table().Lookup(group, version, resource)
	if !ok {
		a.Fatalf("no %s/%s %s", group, version, resource)
	}
	return e
}
