package request

import "sync/atomic"

// Conn is what the server knows of one connection for as long as it is open.
type Conn struct {
	ID uint64
	// identity is what the authenticator of client certificates found out about
	// the connection's certificate.
	identity atomic.Value
}

// Remember keeps a value with the connection, in place of the one before. All
// values of one connection must have the same type.
func (c *Conn) Remember(v any) { c.identity.Store(v) }

// Remembered gives the value of the last Remember, nil when there is none.
func (c *Conn) Remembered() any { return c.identity.Load() }
