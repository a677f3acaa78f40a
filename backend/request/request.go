// Package request owns what one request is on its way through the server: the
// parsed path (Info), the caller (User), the Request value that every layer
// takes and the Response value that an endpoint gives back. It knows neither
// Fiber nor any Kubernetes type. Read request.go first, then info.go.
package request

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Header reads the headers of a request. Names are case-insensitive. Returned
// strings are copies and may be kept; the Header itself may only be used until
// the handler has returned.
type Header interface {
	// Get gives the first value of a header, empty when it is absent.
	Get(name string) string
	// Values gives all values of a header in the order they came in.
	Values(name string) []string
	// Each calls f for every header line.
	Each(f func(name, value string))
}

// DashboardCookie begins the names of the dashboard's cookies, after the __Host-
// that they have in TLS. They are for the dashboard only.
const DashboardCookie = "pilothouse-"

// Request is one request as the layers below the transport see it. Its strings
// and its body are its own: they stay valid after the handler has returned.
type Request struct {
	// ID is the audit id: the client's Audit-ID header or a new UUID.
	ID     string
	Method string
	// Path is percent-decoded once; routing and authorization both use it.
	Path     string
	RawPath  string
	RawQuery string
	Header   Header
	// Body is the whole body, already within the transport's limit.
	Body       []byte
	RemoteAddr string
	TLS        *tls.ConnectionState
	// ConnID tells one connection from another for the life of the process.
	ConnID uint64
	// Conn keeps what was found out about the connection; nil for a request
	// that the server makes itself.
	Conn *Conn
	// Dashboard tells a request that came in on the plain-HTTP listener for
	// browsers.
	Dashboard bool
	Received  time.Time

	Info Info
	// User is nil until authentication has run. With impersonation it is the
	// impersonated user, and Impersonator the real one.
	User         *User
	Impersonator *User
	// ImpersonationConstraint is the verb that allowed the impersonation; empty
	// without one and for unconstrained impersonation. It goes into the audit
	// event.
	ImpersonationConstraint string
	// FlowSchema and PriorityLevel are the UIDs of what flow control put the
	// request into; the response names them.
	FlowSchema, PriorityLevel string

	mu          sync.Mutex
	query       url.Values
	queryErr    error
	warnings    []string
	annotations []annotation
	// bodies tells that the audit event has the body.
	bodies    bool
	note      *ObjectNote
	author    []byte // what AuthorNote gives
	life      *Life
	wantsBody bool
	readBody  []byte
	// annotationRoom saves the allocation for what every request has.
	annotationRoom [4]annotation
}

type annotation struct{ key, value string }

// Query gives the parsed query; a part that cannot be parsed is left out, as
// net/http does.
func (r *Request) Query() url.Values {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.query == nil {
		r.query, r.queryErr = url.ParseQuery(r.RawQuery)
	}
	return r.query
}

// Warn adds a warning that the client gets as a 299 Warning header
// (RFC 7234 5.5); the same text is sent once.
func (r *Request) Warn(text string) {
	if r == nil || text == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.warnings {
		if w == text {
			return
		}
	}
	r.warnings = append(r.warnings, text)
}

// Warnings gives the warnings so far, in order.
func (r *Request) Warnings() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.warnings...)
}

// Annotate adds an annotation to the request's audit event; the first value of
// a key stays.
func (r *Request) Annotate(key, value string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.annotations {
		if r.annotations[i].key == key {
			return
		}
	}
	if r.annotations == nil {
		r.annotations = r.annotationRoom[:0]
	}
	r.annotations = append(r.annotations, annotation{key, value})
}

// AuditBodies says that the audit event of the request has its body, and what
// AnnotateBody adds. To be called before others have the request.
func (r *Request) AuditBodies() { r.bodies = true }

// AnnotateBody adds an annotation that tells as much as the body; value is asked
// only when it is wanted.
func (r *Request) AnnotateBody(key string, value func() string) {
	if r != nil && r.bodies {
		r.Annotate(key, value())
	}
}

// Annotation gives the value of one annotation, empty when there is none.
func (r *Request) Annotation(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.annotations {
		if r.annotations[i].key == key {
			return r.annotations[i].value
		}
	}
	return ""
}

// Annotations gives a copy of the audit annotations so far.
func (r *Request) Annotations() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.annotations) == 0 {
		return nil
	}
	out := make(map[string]string, len(r.annotations))
	for _, a := range r.annotations {
		out[a.key] = a.value
	}
	return out
}

type contextKey struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, contextKey{}, r)
}

// From gives the request that ctx carries, nil for work that no client asked
// for. Warn and Annotate may be called on nil.
func From(ctx context.Context) *Request {
	r, _ := ctx.Value(contextKey{}).(*Request)
	return r
}

// UserFrom gives the caller that ctx carries, nil when there is none.
func UserFrom(ctx context.Context) *User {
	if r := From(ctx); r != nil {
		return r.User
	}
	return nil
}

// Handler answers a request. An error is an API Status error
// (apimachinery/pkg/api/errors); anything else becomes a 500 whose text the
// client never sees.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// HeaderLine is one header of a response.
type HeaderLine struct{ Name, Value string }

// Response is what an endpoint gives back. Exactly one of Body, Stream,
// Chunked, WebSocket and Hijack carries the content; none of them is an empty
// body.
type Response struct {
	// Status is the HTTP status, 200 when zero.
	Status      int
	ContentType string
	Header      []HeaderLine

	// Body is sent as it is and is never changed by the transport, so it may
	// be shared with a cache.
	Body []byte
	// Stream is a body of known length that is written in pieces.
	Stream Stream
	// Chunked writes a body that ends when it returns; ctx ends when the
	// client goes away or the server shuts down.
	Chunked func(ctx context.Context, w ChunkWriter) error
	// WebSocket makes the connection one.
	WebSocket *WebSocket
	// Hijack takes the connection over. Nothing has been written to it; bytes
	// that the client sent early are read first. The transport closes it when
	// Hijack returns. ctx ends when the server shuts down.
	Hijack func(ctx context.Context, conn net.Conn)
}

// Stream is a body of known length.
type Stream interface {
	// Len is the exact number of bytes that WriteTo writes.
	Len() int64
	// WriteTo writes the body; it is called once.
	WriteTo(w Writer) error
}

// Writer is where a Stream goes: writes are gathered into large blocks.
type Writer interface {
	Write(p []byte) (int, error)
	WriteString(s string) (int, error)
}

// ChunkWriter is where a Chunked body goes. Writes gather until Flush; a client
// that does not take them in time makes both fail.
type ChunkWriter interface {
	Write(p []byte) (int, error)
	Flush() error
}

// Has tells whether the response names a header.
func (p *Response) Has(name string) bool {
	for i := range p.Header {
		if strings.EqualFold(p.Header[i].Name, name) {
			return true
		}
	}
	return false
}
