// Package server owns the way of a request between the network and the
// handlers: listeners and TLS, the conversion between fasthttp and package
// request, WebSockets, the filters that every request passes, and shutdown. It is
// the only package that knows Fiber, and it knows no resource. Read
// server.go first, then filters.go (the chain), convert.go and respond.go.
package server

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"k8s.io/klog/v2"
)

// Limits of the transport. What a request may hold is decided by the filters;
// these keep a connection from holding the process.
const (
	// maxHeaderBytes bounds the request line and all headers of one request.
	maxHeaderBytes = 32 << 10
	// maxTransportBody is above the limit for API bodies, so that a body which
	// is somewhat too large is still read and its client gets the 413.
	maxTransportBody = 16 << 20
	// readTimeout is for the TLS handshake, the headers and the body together.
	readTimeout = 30 * time.Second
	idleTimeout = 120 * time.Second
	// writeTimeout is how long a client may take no byte of a response.
	writeTimeout = 30 * time.Second
)

// Options are what a Server is made of.
type Options struct {
	// Handler answers every request, filters included; see Chain.
	Handler request.Handler
	// TLS is for ServeTLS.
	TLS *tls.Config
	// MaxStreams is how many requests an HTTP/2 connection may have open, if TLS
	// offers HTTP/2; zero means MaxStreams.
	MaxStreams int
	// ReadTimeout and WriteTimeout are for tests; zero means the defaults.
	ReadTimeout, WriteTimeout time.Duration
}

// Server serves a Handler on any number of listeners. Order of use: New, Serve
// or ServeTLS (each blocks), Shutdown.
type Server struct {
	options    Options
	app        *fiber.App
	webSockets fiber.Handler
	http2      *http2Server // nil when TLS does not offer it
	// base is the parent of the contexts of all requests; streams ends earlier,
	// so that watches end while other requests still finish.
	base, streams             context.Context
	cancelBase, cancelStreams context.CancelFunc

	mu        sync.Mutex // guards the fields below
	listeners []net.Listener
	stopping  bool
	hijacked  map[*hijackedConn]struct{}
	// drained is closed when the last hijacked connection has ended after
	// stopping was set.
	drained chan struct{}
}

// New gives a server that does not listen yet.
func New(o Options) *Server {
	if o.ReadTimeout == 0 {
		o.ReadTimeout = readTimeout
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = writeTimeout
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = MaxStreams
	}
	s := &Server{options: o, hijacked: map[*hijackedConn]struct{}{}, drained: make(chan struct{})}
	s.base, s.cancelBase = context.WithCancel(context.Background())
	s.streams, s.cancelStreams = context.WithCancel(s.base)
	s.app, s.webSockets = newApp(s), newWebSockets(s)
	if o.TLS != nil && slices.Contains(o.TLS.NextProtos, http2Protocol) {
		s.http2 = newHTTP2(s)
		s.app.Server().NextProto(http2Protocol, s.http2.serve)
	}
	return s
}

// newApp sets Fiber and fasthttp up. StreamRequestBody stays off: with it a
// handler that answers before it has read the body opens the way to request
// smuggling in fasthttp below 1.76.
func newApp(s *Server) *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		StrictRouting:                true,
		BodyLimit:                    maxTransportBody,
		ReadBufferSize:               maxHeaderBytes,
		ReadTimeout:                  s.options.ReadTimeout,
		IdleTimeout:                  idleTimeout,
		WriteTimeout:                 s.options.WriteTimeout,
		ReduceMemoryUsage:            true,
		DisablePreParseMultipartForm: true,
		DisableDefaultContentType:    true,
	})
	app.Use(s.handle)
	f := app.Server()
	f.SecureErrorLogMessage = true
	f.CloseOnShutdown = true
	f.ErrorHandler = answerMalformed
	// Fiber has a fixed list of methods; any other one is answered here.
	known := f.Handler
	f.Handler = func(fc *fasthttp.RequestCtx) {
		if fiberKnows(string(fc.Method())) {
			known(fc)
			return
		}
		s.answer(fc, nil)
	}
	return app
}

func fiberKnows(method string) bool {
	for _, m := range fiber.DefaultMethods {
		if m == method {
			return true
		}
	}
	return false
}

func (s *Server) handle(c *fiber.Ctx) error {
	s.answer(c.Context(), c)
	return nil
}

// answer takes one request through the handler. c is nil when Fiber does not
// know the request's method, which is then not one of a handshake.
func (s *Server) answer(fc *fasthttp.RequestCtx, c *fiber.Ctx) {
	defer func() {
		// The filters recover; this is for a panic in the filters themselves.
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "server")
			fc.Response.Reset()
			fc.SetStatusCode(fasthttp.StatusInternalServerError)
			fc.SetConnectionClose()
		}
	}()
	r, err := newRequest(fc)
	if err != nil {
		write(s, fc, r, errorResponse(r, err))
		return
	}
	ctx, stop := request.NewContext(s.base, r, time.Time{})
	defer stop()
	response, err := s.options.Handler(ctx, r)
	if err == nil && response != nil && response.WebSocket != nil && c != nil {
		if err = s.upgrade(c, response.WebSocket); err == nil {
			return
		}
	}
	if err != nil {
		response = errorResponse(r, err)
	}
	write(s, fc, r, response)
}

// ServeTLS serves https on a listener until Shutdown. It closes the listener.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.serve(&listener{Listener: l, tls: s.options.TLS})
}

// ServeDashboard serves plain HTTP on a listener, which must be on loopback,
// and marks the requests. It closes the listener.
func (s *Server) ServeDashboard(l net.Listener) error {
	return s.serve(&listener{Listener: l})
}

func (s *Server) serve(l net.Listener) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	return s.app.Listener(l)
}

// StopAccepting closes the listeners. Open connections are served further.
func (s *Server) StopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for _, l := range s.listeners {
		if err := l.Close(); err != nil {
			klog.V(4).InfoS("Close listener", "err", err)
		}
	}
	if len(s.hijacked) == 0 {
		s.closeDrained()
	}
}

func (s *Server) closeDrained() {
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}

// Shutdown stops accepting, ends every watch with its last chunk and waits for
// the requests in flight. When ctx ends first the rest is cut off. It returns
// ctx's error in that case.
func (s *Server) Shutdown(ctx context.Context) error {
	s.StopAccepting()
	s.cancelStreams()
	var err error
	select {
	case <-s.drained:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if s.http2 != nil {
		s.http2.shutdown(ctx)
	}
	if e := s.app.ShutdownWithContext(ctx); err == nil {
		err = ignoreClosed(e)
	}
	s.cancelBase()
	s.closeHijacked()
	return err
}

func (s *Server) closeHijacked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.hijacked {
		c.Close()
	}
}
