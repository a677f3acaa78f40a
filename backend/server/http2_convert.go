package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxBodies bounds the bodies that the open requests of one HTTP/2 connection
// hold together, in bytes.
const maxBodies = 64 << 20

// newHTTP2Request makes a request of one of net/http's, its body read. An error
// goes with a Request that can be answered but not handled. held is what the
// body counts against the connection's bound.
func newHTTP2Request(q *http.Request) (r *request.Request, held *heldBody, err error) {
	r = &request.Request{Method: q.Method, Header: netHeader{q}, Received: time.Now()}
	target, _, _ := strings.Cut(q.RequestURI, "#")
	r.RawPath, r.RawQuery, _ = strings.Cut(target, "?")
	f, _ := q.Context().Value(factsKey{}).(*facts)
	r.RemoteAddr, r.TLS, r.ConnID, r.Conn, r.Dashboard = f.remote, f.tls, f.conn.ID, &f.conn, f.dashboard
	held = &heldBody{conn: f, from: q.Body}
	if r.Path, err = decodePath(r.RawPath); err != nil {
		return r, held, err
	}
	r.Body, err = held.read(q.ContentLength)
	return r, held, err
}

// heldBody reads a body within the bounds of requests and connections.
type heldBody struct {
	conn *facts
	from io.Reader
	size int64
}

var (
	errBodyTooLarge = apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxTransportBody))
	errBodies       = apierrors.NewTooManyRequests("the bodies of this connection's open requests are too large together", 1)
)

// read reads the whole body; length is what its client says, -1 for nothing.
func (b *heldBody) read(length int64) ([]byte, error) {
	if length == 0 || b.from == http.NoBody {
		return nil, nil
	}
	if length > maxTransportBody {
		return nil, errBodyTooLarge
	}
	into := bytes.NewBuffer(make([]byte, 0, min(max(length, 0), blockSize)+bytes.MinRead))
	_, err := into.ReadFrom(b)
	var status *apierrors.StatusError
	switch {
	case err == nil:
		return into.Bytes(), nil
	case errors.As(err, &status):
		return nil, status
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusRequestTimeout, Reason: metav1.StatusReasonTimeout,
			Message: lateRequest,
		}}
	}
	return nil, apierrors.NewBadRequest("the request's body is not complete")
}

// Read counts what is read.
func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.size += int64(n)
	switch {
	case b.conn.bodies.Add(int64(n)) > maxBodies:
		return n, errBodies
	case b.size > maxTransportBody:
		return n, errBodyTooLarge
	}
	return n, err
}

// release is for the end of the request.
func (b *heldBody) release() { b.conn.bodies.Add(-b.size) }

// netHeader reads net/http's request headers, and the host among them.
type netHeader struct{ q *http.Request }

// Get gives the first value.
func (h netHeader) Get(name string) string {
	if strings.EqualFold(name, "Host") {
		return h.q.Host
	}
	return h.q.Header.Get(name)
}

// Values gives a copy of all values.
func (h netHeader) Values(name string) []string {
	if strings.EqualFold(name, "Host") {
		return []string{h.q.Host}
	}
	return append([]string(nil), h.q.Header.Values(name)...)
}

// Each calls f for every line.
func (h netHeader) Each(f func(name, value string)) {
	f("Host", h.q.Host)
	for name, values := range h.q.Header {
		for _, value := range values {
			f(name, value)
		}
	}
}

// AnyPrefix tells whether there is a header whose name begins with prefix.
func (h netHeader) AnyPrefix(prefix string) bool {
	for name := range h.q.Header {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
