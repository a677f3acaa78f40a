package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// http2Answer sends the response to one request.
type http2Answer struct {
	server *Server
	w      http.ResponseWriter
	q      *http.Request
	// cut tells that what was sent is not all, which the client is to know.
	cut bool
}

// write sends a response.
func (a *http2Answer) write(r *request.Request, p *request.Response) {
	if p == nil {
		p = &request.Response{}
	}
	if p.WebSocket != nil {
		p = errorResponse(r, errNeedsHTTP1)
	}
	switch {
	case p.Hijack != nil:
		a.relay(r, p.Hijack)
	case p.Chunked != nil && r.Method != http.MethodHead:
		a.header(r, p)
		a.stream(r, statusOf(p), p.Chunked)
	default:
		a.header(r, p)
		a.body(r, p)
	}
}

// errNeedsHTTP1 answers who asks for a change of the protocol, which HTTP/2 has
// no room for (RFC 9113 8.6).
var errNeedsHTTP1 = apierrors.NewBadRequest("a connection can be upgraded with HTTP/1.1 only")

// ofHTTP1 are the headers about a connection, which HTTP/2 has not (RFC 9113
// 8.2.2). "Connection: close" is left: net/http ends the connection by it.
var ofHTTP1 = map[string]bool{"Keep-Alive": true, "Proxy-Connection": true, "Transfer-Encoding": true, "Upgrade": true}

// header sets the headers.
func (a *http2Answer) header(r *request.Request, p *request.Response) {
	h := a.w.Header()
	if p.ContentType != "" {
		h.Set("Content-Type", p.ContentType)
	} else {
		h["Content-Type"] = nil // net/http would guess
	}
	for _, l := range p.Header {
		if name := http.CanonicalHeaderKey(l.Name); !ofHTTP1[name] {
			h.Add(name, l.Value)
		}
	}
	// Strangers get one answer on a connection: Kubernetes'
	// UnauthenticatedHTTP2DOSMitigation.
	if p.Status == http.StatusUnauthorized || r.User != nil && r.User.Name == request.UserAnonymous {
		h.Set("Connection", "close")
	}
}

// body sends the status and a body whose length is known.
func (a *http2Answer) body(r *request.Request, p *request.Response) {
	length, status := lengthOf(p), statusOf(p)
	out := &blockStream{fill: bodyOf(p), conn: http.NewResponseController(a.w), timeout: a.server.options.WriteTimeout}
	if wantsGzip(r, p, length) {
		a.w.Header().Set("Content-Encoding", "gzip")
		a.w.Header().Add("Vary", "Accept-Encoding")
		out.wrap = gzipping
	} else if status != http.StatusNoContent && status != http.StatusNotModified {
		a.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	a.w.WriteHeader(status)
	if length == 0 || r.Method == http.MethodHead {
		return
	}
	if _, err := out.WriteTo(a.w); err != nil {
		a.cut = true
	}
}

// stream sends the status and a body whose length is not known.
func (a *http2Answer) stream(r *request.Request, status int, body func(ctx context.Context, w request.ChunkWriter) error) {
	ctx, cancel := context.WithCancel(a.server.streams)
	defer cancel()
	defer context.AfterFunc(a.q.Context(), cancel)()
	ctx, stop := request.NewContext(ctx, r, time.Time{})
	defer stop()
	out := &http2Stream{a.w, http.NewResponseController(a.w)}
	w := &chunkWriter{conn: out, timeout: a.server.options.WriteTimeout, plain: true}
	defer w.discard()
	a.w.WriteHeader(status)
	a.cut = true // until it is known that nothing is missing
	if out.Flush() != nil {
		return
	}
	if err := body(ctx, w); err != nil {
		klog.V(2).InfoS("Stream ended", "uri", MaskedURI(r), "audit-ID", r.ID, "err", err)
		return
	}
	w.finish()
	a.cut = w.err != nil
}

// http2Stream is the server's half of an HTTP/2 stream: each write is sent.
type http2Stream struct {
	http.ResponseWriter
	*http.ResponseController
}

// Write sends p.
func (s *http2Stream) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	if err == nil {
		err = s.Flush()
	}
	return n, err
}

// relay sends what a handler writes to a connection of its own: an answer in
// HTTP/1.1.
func (a *http2Answer) relay(r *request.Request, hijack func(ctx context.Context, conn net.Conn)) {
	near, far := net.Pipe()
	defer near.Close()
	defer context.AfterFunc(a.q.Context(), func() { near.Close() })()
	go metrics.Guarded("stream", func() {
		defer far.Close()
		hijack(a.server.streams, far)
	})()
	resp, err := http.ReadResponse(bufio.NewReader(near), a.q)
	if err != nil {
		a.cut = true
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		a.write(r, errorResponse(r, errNeedsHTTP1))
		return
	}
	h := a.w.Header()
	for name, values := range resp.Header {
		if !ofHTTP1[name] && name != "Connection" {
			h[name] = values
		}
	}
	a.stream(r, resp.StatusCode, func(_ context.Context, w request.ChunkWriter) error {
		block := make([]byte, chunkSize)
		for {
			n, err := resp.Body.Read(block)
			if n > 0 {
				w.Write(block[:n]) //nolint:errcheck // Flush tells
				if err := w.Flush(); err != nil {
					return err
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}
