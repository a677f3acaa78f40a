package terminal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"pilothouse/backend/request"
)

// inside is an end of a WebSocket that stays inside the process: messages over a
// net.Pipe, each after its kind and its length. Pings are for what is between two
// ends, so here they say nothing.
type inside struct {
	conn  net.Conn
	r     *bufio.Reader
	limit int64 // of a message, 0 for none
	rest  io.LimitedReader
}

var _ request.Socket = (*inside)(nil)

// head is how many bytes stand before a message.
const head = 1 + 8

var errTooLong = errors.New("a message is too long")

func newInside(conn net.Conn) *inside {
	s := &inside{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}
	s.rest.R = s.r
	return s
}

// NextReader gives the next message to be read, as far as the last one was read
// or not; a goodbye is the end.
func (s *inside) NextReader() (kind int, message io.Reader, err error) {
	if _, err := io.Copy(io.Discard, &s.rest); err != nil {
		return 0, nil, err
	}
	var h [head]byte
	if _, err := io.ReadFull(s.r, h[:]); err != nil {
		return 0, nil, err
	}
	s.rest.N = int64(binary.BigEndian.Uint64(h[1:])) //nolint:gosec // a length of ours
	switch {
	case s.limit > 0 && s.rest.N > s.limit:
		s.conn.Close()
		return 0, nil, errTooLong
	case h[0] == request.CloseMessage:
		return 0, nil, io.EOF
	}
	return int(h[0]), &s.rest, nil
}

// ReadMessage reads a whole message.
func (s *inside) ReadMessage() (kind int, p []byte, err error) {
	kind, message, err := s.NextReader()
	if err != nil {
		return 0, nil, err
	}
	p = make([]byte, s.rest.N)
	_, err = io.ReadFull(message, p)
	return kind, p, err
}

// WriteMessage sends a message; it waits until the other end has taken it.
func (s *inside) WriteMessage(kind int, p []byte) error {
	frame := make([]byte, 0, head+len(p))
	frame = binary.BigEndian.AppendUint64(append(frame, byte(kind)), uint64(len(p)))
	_, err := s.conn.Write(append(frame, p...)) // as one: others write too
	return err
}

// NextWriter gives what becomes a message when it is closed.
func (s *inside) NextWriter(kind int) (io.WriteCloser, error) {
	return &growing{to: s, kind: kind}, nil
}

// growing is a message that is being written.
type growing struct {
	bytes.Buffer
	to   *inside
	kind int
}

// Close sends it.
func (g *growing) Close() error { return g.to.WriteMessage(g.kind, g.Bytes()) }

// WriteControl sends a goodbye.
func (s *inside) WriteControl(kind int, p []byte, deadline time.Time) error {
	if kind != request.CloseMessage {
		return nil
	}
	if err := s.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return s.WriteMessage(kind, p)
}

// SetReadLimit bounds a message.
func (s *inside) SetReadLimit(n int64) { s.limit = n }

// SetReadDeadline ends waiting for the other end's words.
func (s *inside) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline ends waiting for the other end to listen.
func (s *inside) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// SetPongHandler has nothing to handle.
func (s *inside) SetPongHandler(func(string) error) {}

// Close closes both ends.
func (s *inside) Close() error { return s.conn.Close() }
