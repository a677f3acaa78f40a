package request

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// Kinds of messages of a Socket (RFC 6455 11.8).
const (
	TextMessage   = 1
	BinaryMessage = 2
	CloseMessage  = 8
	PingMessage   = 9
)

// Codes that a Socket is closed with (RFC 6455 7.4.1).
const (
	CloseNormal    = 1000
	CloseGoingAway = 1001
	CloseInternal  = 1011
)

// WebSocket answers a handshake that has been checked: the transport sends its
// end and hands the socket over. Nothing is compressed, since a limit would be
// for what a message is packed into and not for what it becomes.
type WebSocket struct {
	// Protocol is the subprotocol that was chosen, empty for none.
	Protocol string
	// Ahead is how many bytes the kernel takes that the client has not taken yet,
	// 0 for as many as it likes: some megabytes.
	Ahead int
	// Serve has the socket until it returns. ctx ends when the server shuts down.
	Serve func(ctx context.Context, conn Socket)
}

// Socket is the server's end of a WebSocket. One goroutine at a time may read,
// and one may write; WriteControl and Close may be called by any.
type Socket interface {
	ReadMessage() (kind int, p []byte, err error)
	NextReader() (kind int, message io.Reader, err error)
	WriteMessage(kind int, p []byte) error
	NextWriter(kind int) (io.WriteCloser, error)
	WriteControl(kind int, p []byte, deadline time.Time) error
	// SetReadLimit bounds a message, in bytes; a longer one ends the socket.
	SetReadLimit(n int64)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	SetPongHandler(f func(text string) error)
	// Close ends the connection without a word.
	Close() error
}

// ClosingWith gives the payload of a CloseMessage.
func ClosingWith(code int, text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), text...)
}

// DuringStream calls begin when what a response does with its connection
// begins, and what begin gives when that has ended. It tells whether the
// response does anything of the kind.
func (p *Response) DuringStream(begin func() (end func())) bool {
	switch {
	case p == nil:
		return false
	case p.Chunked != nil:
		body := p.Chunked
		p.Chunked = func(ctx context.Context, w ChunkWriter) error {
			defer begin()()
			return body(ctx, w)
		}
	case p.Hijack != nil:
		hijack := p.Hijack
		p.Hijack = func(ctx context.Context, conn net.Conn) {
			defer begin()()
			hijack(ctx, conn)
		}
	case p.WebSocket != nil:
		w := *p.WebSocket
		p.WebSocket = &WebSocket{Protocol: w.Protocol, Serve: func(ctx context.Context, conn Socket) {
			defer begin()()
			w.Serve(ctx, conn)
		}}
	default:
		return false
	}
	return true
}

// Switches tells whether a response makes another protocol of its connection.
func (p *Response) Switches() bool { return p.Hijack != nil || p.WebSocket != nil }
