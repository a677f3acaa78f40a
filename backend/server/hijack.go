package server

import (
	"context"
	"net"
	"sync"
	"time"

	"pilothouse/backend/metrics"
)

// hijackedConn is a connection that a handler took over. Its Close really
// closes, unlike that of fasthttp's, and nothing is read through fasthttp's
// pooled reader any more once the handler has returned.
type hijackedConn struct {
	net.Conn // fasthttp's: reads what the client sent early first
	closer   net.Conn

	reading sync.Mutex // held by a Read
	mu      sync.Mutex // guards ended
	ended   bool
}

// Read reads from the client.
func (c *hijackedConn) Read(p []byte) (n int, err error) {
	err = c.during(func() error {
		n, err = c.Conn.Read(p)
		return err
	})
	return n, err
}

// during calls f, which reads from the client, unless the handler has returned.
func (c *hijackedConn) during(f func() error) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	if ended {
		return net.ErrClosed
	}
	return f()
}

// Close closes the connection.
func (c *hijackedConn) Close() error { return c.closer.Close() }

// limit bounds what the kernel keeps for a client that does not read.
func (c *hijackedConn) limit(bytes int) {
	if k, ok := c.closer.(interface{ limit(bytes int) }); ok {
		k.limit(bytes)
	}
}

// end closes the connection and waits until no Read is under way.
func (c *hijackedConn) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.closer.Close()
	c.reading.Lock()
	c.reading.Unlock() //nolint:staticcheck // the wait is the point
}

// takeOver runs a handler on a hijacked connection: known to Shutdown, with its
// panics caught, closed at the end.
func (s *Server) takeOver(conn net.Conn, handler func(ctx context.Context, conn *hijackedConn)) {
	c := &hijackedConn{Conn: conn, closer: conn}
	if u, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		c.closer = u.UnsafeConn()
	}
	if !s.register(c) {
		c.end()
		return
	}
	defer s.unregister(c)
	defer c.end()
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "stream")
		}
	}()
	handler(s.streams, c)
}

func (s *Server) register(c *hijackedConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.hijacked[c] = struct{}{}
	return true
}

func (s *Server) unregister(c *hijackedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hijacked, c)
	if s.stopping && len(s.hijacked) == 0 {
		s.closeDrained()
	}
}

// watchForEnd gives a context that ends with parent or when the client goes
// away or sends anything. release stops the watching, after which the
// connection must only be written to and closed.
func (c *hijackedConn) watchForEnd(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	done := make(chan struct{})
	go func() {
		defer metrics.Caught("server")
		defer close(done)
		defer cancel()
		var b [1]byte
		c.Read(b[:]) //nolint:errcheck // whatever happens, it is the end
	}()
	return ctx, func() {
		cancel()
		c.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection unblocks too
		<-done
	}
}
