package server

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"pilothouse/backend/request"
)

var lastConnID atomic.Uint64

// listener hands out connections that carry what the server asks about each of
// them once and not at every request. Without tls it is the plain listener of
// the dashboard.
type listener struct {
	net.Listener
	tls  *tls.Config
	once sync.Once
	err  error
}

// Accept gives a *tlsConn or a *plainConn.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	facts := &facts{remote: c.RemoteAddr().String(), dashboard: l.tls == nil}
	facts.conn.ID = lastConnID.Add(1)
	if l.tls == nil {
		return &plainConn{Conn: c, facts: facts}, nil
	}
	return &tlsConn{Conn: tls.Server(c, l.tls), facts: facts}, nil
}

// Close closes once: fasthttp closes its listeners too.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// facts are what is known of one connection.
type facts struct {
	conn      request.Conn
	remote    string
	dashboard bool
	tls       *tls.ConnectionState
	// bodies is how much the bodies of requests that are open at the same time
	// take.
	bodies atomic.Int64
}

type plainConn struct {
	net.Conn
	facts *facts
}

func (c *plainConn) about() *facts { return c.facts }

func (c *plainConn) limit(bytes int) { limit(c.Conn, bytes) }

func (c *tlsConn) limit(bytes int) { limit(c.NetConn(), bytes) }

// limit bounds what the kernel takes for a client that does not read.
func limit(c net.Conn, bytes int) {
	if k, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		k.SetWriteBuffer(bytes) //nolint:errcheck // for a connection that has broken nothing is kept
	}
}

// tlsConn is a *tls.Conn for fasthttp, which looks for Handshake and
// ConnectionState.
type tlsConn struct {
	*tls.Conn
	facts *facts
}

// about may be called after the handshake only, from the one goroutine that
// serves the connection.
func (c *tlsConn) about() *facts {
	if c.facts.tls == nil {
		state := c.ConnectionState()
		c.facts.tls = &state
	}
	return c.facts
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
