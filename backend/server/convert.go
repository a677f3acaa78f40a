package server

import (
	"bytes"
	"net/url"
	"strings"
	"time"

	"pilothouse/backend/request"

	"github.com/valyala/fasthttp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// newRequest copies what a request is out of fasthttp, whose strings are
// overwritten by the next request. An error goes with a Request that can be
// answered but not handled.
func newRequest(fc *fasthttp.RequestCtx) (*request.Request, error) {
	uri := fc.URI()
	r := &request.Request{
		Method:   string(fc.Method()),
		RawPath:  string(uri.PathOriginal()),
		RawQuery: string(uri.QueryString()),
		Header:   header{&fc.Request.Header},
		Received: time.Now(),
	}
	if c, ok := fc.Conn().(interface{ about() *facts }); ok {
		f := c.about()
		r.RemoteAddr, r.TLS, r.ConnID, r.Conn, r.Dashboard = f.remote, f.tls, f.conn.ID, &f.conn, f.dashboard
	}
	path, err := decodePath(r.RawPath)
	if err != nil {
		return r, err
	}
	r.Path = path
	if n := fc.Request.Header.ContentLength(); n != 0 {
		// The body's memory is taken over: fasthttp makes a new one next time.
		r.Body = fc.Request.SwapBody(nil)
	}
	return r, nil
}

// decodePath decodes a path once. What it gives is what routing and
// authorization both see, so a path that two readers could take for two
// different things is refused: bad escapes, NUL, and ".." in any spelling.
func decodePath(raw string) (string, error) {
	path := raw
	if strings.IndexByte(raw, '%') >= 0 {
		var err error
		if path, err = url.PathUnescape(raw); err != nil {
			return "", apierrors.NewBadRequest("the request's path has an invalid percent-encoding")
		}
	}
	if !strings.HasPrefix(path, "/") {
		return "", apierrors.NewBadRequest("the request's path must start with a slash")
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", apierrors.NewBadRequest("the request's path must not hold a NUL character")
	}
	if strings.Contains(path, "..") {
		for part := range strings.SplitSeq(path, "/") {
			if part == ".." {
				return "", apierrors.NewBadRequest(`the request's path must not hold ".."`)
			}
		}
	}
	return path, nil
}

// header reads fasthttp's request headers.
type header struct{ h *fasthttp.RequestHeader }

// Get gives a copy of the first value.
func (h header) Get(name string) string { return string(h.h.Peek(name)) }

// Values gives copies of all values.
func (h header) Values(name string) []string {
	all := h.h.PeekAll(name)
	if len(all) == 0 {
		return nil
	}
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

// Each calls f with copies of every line.
func (h header) Each(f func(name, value string)) {
	for name, value := range h.h.All() {
		f(string(name), string(value))
	}
}

// AnyPrefix tells whether there is a header whose name begins with prefix,
// without copying any.
func (h header) AnyPrefix(prefix string) bool {
	for name := range h.h.All() {
		if len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], []byte(prefix)) {
			return true
		}
	}
	return false
}
