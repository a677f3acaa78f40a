package server

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
)

// http2Protocol is HTTP/2's name in a TLS handshake (RFC 9113 3.2).
const http2Protocol = "h2"

// MaxStreams is how many requests one HTTP/2 connection may have open when
// nothing else is said: an informer for each kind of a large cluster fits.
const MaxStreams = 1000

// pingAfter is the silence after which the client of an HTTP/2 connection is
// asked whether it is there.
const pingAfter = 30 * time.Second

// http2Server serves the connections whose clients chose HTTP/2. fasthttp speaks
// HTTP/1 only, so net/http does; the requests take the same way as all others.
type http2Server struct {
	owner  *Server
	server *http.Server
	queue  *queue
}

func newHTTP2(s *Server) *http2Server {
	h := &http2Server{owner: s, queue: newQueue()}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	h.server = &http.Server{
		Handler:        http.HandlerFunc(h.serveHTTP),
		Protocols:      protocols,
		ReadTimeout:    s.options.ReadTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ConnContext:    h.queue.connContext,
		ConnState:      h.queue.connState,
		ErrorLog:       log.New(io.Discard, "", 0), // what clients do wrong is no error here
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: s.options.MaxStreams,
			SendPingTimeout:      pingAfter,
			WriteByteTimeout:     s.options.WriteTimeout,
		},
	}
	go metrics.Guarded("server", func() {
		h.server.Serve(h.queue) //nolint:errcheck // it ends with the server
	})()
	return h
}

// serve serves a connection until its end.
func (h *http2Server) serve(c net.Conn) error {
	t, ok := c.(*tlsConn)
	if !ok {
		return errors.New("server: BUG: HTTP/2 without TLS")
	}
	t.about()
	return h.queue.put(t)
}

// shutdown lets clients know that there will be no answers to new requests, and
// waits until the connections have ended, or for ctx: then they are cut off.
func (h *http2Server) shutdown(ctx context.Context) {
	if h.server.Shutdown(ctx) != nil {
		h.server.Close() //nolint:errcheck // they are cut off either way
	}
}

// serveHTTP takes one request through the handler.
func (h *http2Server) serveHTTP(w http.ResponseWriter, q *http.Request) {
	a := &http2Answer{server: h.owner, w: w, q: q}
	defer func() {
		// The filters recover; this is for a panic in the filters themselves.
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "server")
			a.cut = true
		}
		if a.cut {
			panic(http.ErrAbortHandler) // resets the stream; net/http catches it
		}
	}()
	r, held, err := newHTTP2Request(q)
	defer held.release()
	if err != nil {
		a.write(r, errorResponse(r, err))
		return
	}
	ctx, stop := request.NewContext(h.owner.base, r, time.Time{})
	defer stop()
	response, err := h.owner.options.Handler(ctx, r)
	if err != nil {
		response = errorResponse(r, err)
	}
	a.write(r, response)
}

// queue is the listener from which net/http takes the connections that fasthttp
// has found out to be for it.
type queue struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once

	mu    sync.Mutex // guards known
	known map[net.Conn]*queued
}

// queued is a connection of the queue.
type queued struct {
	facts  *facts
	closed chan struct{}
}

func newQueue() *queue {
	return &queue{conns: make(chan net.Conn), ended: make(chan struct{}), known: map[net.Conn]*queued{}}
}

// put hands a connection on and waits for its end: fasthttp closes it then.
func (l *queue) put(t *tlsConn) error {
	of := &queued{facts: t.facts, closed: make(chan struct{})}
	l.mu.Lock()
	l.known[t.Conn] = of
	l.mu.Unlock()
	select {
	case l.conns <- t.Conn:
		<-of.closed
		return nil
	case <-l.ended:
		l.forget(t.Conn)
		return net.ErrClosed
	}
}

func (l *queue) forget(c net.Conn) *queued {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.known[c]
	delete(l.known, c)
	return of
}

// Accept gives the next connection.
func (l *queue) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

// Close ends the queue, not its connections.
func (l *queue) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

// Addr is of no use.
func (l *queue) Addr() net.Addr { return &net.TCPAddr{} }

// connState is told what becomes of the connections.
func (l *queue) connState(c net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	if of := l.forget(c); of != nil {
		close(of.closed)
	}
}

type factsKey struct{}

// connContext gives the requests of a connection what is known of it.
func (l *queue) connContext(ctx context.Context, c net.Conn) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.known[c]
	if of == nil {
		return ctx
	}
	return context.WithValue(ctx, factsKey{}, of.facts)
}
