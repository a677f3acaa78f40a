package server

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"k8s.io/klog/v2"
)

// logRequests logs every request at -v=2, a stream when it has ended.
func logRequests(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if !klog.V(2).Enabled() {
			return next(ctx, r)
		}
		// Now: headers are gone when a stream has ended.
		logHeaders(r)
		agent := r.Header.Get("User-Agent")
		p, err := next(ctx, r)
		log := func() { logRequest(r, p, err, agent) }
		logStream(r, p)
		if !p.DuringStream(func() func() { return log }) {
			log()
		}
		return p, err
	}
}

func logRequest(r *request.Request, p *request.Response, err error, agent string) {
	user, status := "", 0
	if r.User != nil {
		user = r.User.Name
	}
	if p != nil {
		status = statusOf(p)
	}
	klog.V(2).InfoS("HTTP", "verb", r.Info.Verb, "URI", MaskedURI(r), "user", user, "resp", status,
		"latency", time.Since(r.Received), "userAgent", agent,
		"srcIP", r.RemoteAddr, "audit-ID", r.ID, "err", err)
	logDecision(r)
	logBodies(r, p)
}

// logDecision logs at -v=4 who a request was taken for, and why it was allowed or
// not.
func logDecision(r *request.Request) {
	decision := r.Annotation("authorization.k8s.io/decision")
	if !klog.V(4).Enabled() || decision == "" {
		return
	}
	pairs := []any{"audit-ID", r.ID, "decision", decision, "reason", r.Annotation("authorization.k8s.io/reason")}
	if u := r.User; u != nil {
		pairs = append(pairs, "groups", u.Groups)
	}
	if u := r.Impersonator; u != nil {
		pairs = append(pairs, "impersonator", u.Name)
	}
	if life := r.Life(); life != nil {
		pairs = append(pairs, "knownBy", life.Authenticator())
	}
	klog.V(4).InfoS("HTTP decision", pairs...)
}

// logHeaders logs a request's headers at -v=6, without what proves who sent it.
func logHeaders(r *request.Request) {
	if !klog.V(6).Enabled() {
		return
	}
	var pairs []any
	r.Header.Each(func(name, value string) {
		if isCredential(name) {
			value = "<masked>"
		}
		pairs = append(pairs, name, value)
	})
	klog.V(6).InfoS("HTTP request headers", append([]any{"audit-ID", r.ID}, pairs...)...)
}

func isCredential(header string) bool {
	switch strings.ToLower(header) {
	case "authorization", "proxy-authorization", "cookie", "sec-websocket-protocol":
		return true
	}
	return false
}

// maxLoggedBody is where a body in the log is cut off, in bytes.
const maxLoggedBody = 1 << 10

// logBodies logs bodies at -v=8, but those that hold secrets: objects that are
// confidential, and the forms of the dashboard.
func logBodies(r *request.Request, p *request.Response) {
	if !klog.V(8).Enabled() || r.Confidential() || !r.Info.IsResource {
		return
	}
	if len(r.Body) > 0 {
		klog.V(8).InfoS("HTTP request body", "audit-ID", r.ID, "body", cut(r.Body, r.Header.Get("Content-Type")))
	}
	if p != nil && len(p.Body) > 0 {
		klog.V(8).InfoS("HTTP response body", "audit-ID", r.ID, "body", cut(p.Body, p.ContentType))
	}
}

// logStream logs the body of a stream, as logBodies does those of others, when it
// has been written.
func logStream(r *request.Request, p *request.Response) {
	if p != nil && p.Stream != nil && klog.V(8).Enabled() && !r.Confidential() && r.Info.IsResource {
		p.Stream = &overheard{Stream: p.Stream, auditID: r.ID, contentType: p.ContentType}
	}
}

// maxOverheard is how much of a protobuf stream is kept for the log: it can only be
// read as a whole.
const maxOverheard = 64 << 10

// overheard is a stream whose beginning is logged at its end.
type overheard struct {
	request.Stream
	auditID, contentType string
}

// WriteTo writes the body.
func (o *overheard) WriteTo(w request.Writer) error {
	room := maxLoggedBody + 1
	if strings.HasPrefix(o.contentType, scheme.MediaProtobuf) {
		room = maxOverheard
	}
	t := &tee{Writer: w, room: room}
	err := o.Stream.WriteTo(t)
	klog.V(8).InfoS("HTTP response body", "audit-ID", o.auditID, "body", cut(t.begin, o.contentType))
	return err
}

// tee keeps the beginning of what is written.
type tee struct {
	request.Writer
	begin []byte
	room  int
}

func (t *tee) Write(p []byte) (int, error) {
	t.begin = append(t.begin, p[:min(len(p), t.room-len(t.begin))]...)
	return t.Writer.Write(p)
}

func (t *tee) WriteString(s string) (int, error) {
	t.begin = append(t.begin, s[:min(len(s), t.room-len(t.begin))]...)
	return t.Writer.WriteString(s)
}

// cut is a body as it is logged: its beginning, and JSON in the place of protobuf.
func cut(body []byte, contentType string) string {
	if strings.HasPrefix(contentType, scheme.MediaProtobuf) {
		text, err := scheme.ToJSON(body, contentType)
		if err != nil {
			return fmt.Sprintf("%d bytes of %s", len(body), contentType)
		}
		body = text
	}
	if len(body) <= maxLoggedBody {
		return strings.ToValidUTF8(string(body), "\uFFFD")
	}
	return strings.ToValidUTF8(string(body[:maxLoggedBody]), "") + "...TRUNCATED"
}

// MaskedURI is the request's path and query without the values of parameters
// that may hold a secret.
func MaskedURI(r *request.Request) string {
	if r.RawQuery == "" {
		return r.RawPath
	}
	parts := strings.Split(r.RawQuery, "&")
	for i, part := range parts {
		name, _, hasValue := strings.Cut(part, "=")
		if hasValue && isSecretParameter(name) {
			parts[i] = name + "=masked"
		}
	}
	return r.RawPath + "?" + strings.Join(parts, "&")
}

func isSecretParameter(raw string) bool {
	name, err := url.QueryUnescape(raw)
	if err != nil {
		return true
	}
	name = strings.ToLower(name)
	for _, word := range []string{"token", "password", "secret", "code", "login", "key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// countRequests feeds the metrics of Kubernetes' API server.
func countRequests(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		done := metrics.RequestBegins(&r.Info)
		p, err := next(ctx, r)
		status := 0
		if p != nil {
			status = statusOf(p)
		}
		done(status, time.Since(r.Received))
		p.DuringStream(func() func() { return metrics.StreamBegins(&r.Info) })
		return p, err
	}
}
