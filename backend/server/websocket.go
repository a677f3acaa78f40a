package server

import (
	"context"
	"io"
	"sync"

	"pilothouse/backend/request"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// answerKey is where Fiber keeps what a handshake is answered with.
const answerKey = "pilothouse.websocket"

// newWebSockets gives the handler that opens WebSockets. Whether a handshake is
// one, and of a page that may, has been found out before. A socket that waits
// holds no buffer to write from.
func newWebSockets(s *Server) fiber.Handler {
	return websocket.New(s.serveWebSocket, websocket.Config{
		ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
		// The default tells the client what a panic says. takeOver catches them.
		RecoverHandler: func(*websocket.Conn) {},
	})
}

// upgrade answers a handshake.
func (s *Server) upgrade(c *fiber.Ctx, w *request.WebSocket) error {
	fc := c.Context()
	strip(fc)
	if w.Protocol != "" {
		fc.Response.Header.Set("Sec-WebSocket-Protocol", w.Protocol)
	}
	fc.SetUserValue(answerKey, w)
	if err := s.webSockets(c); err != nil {
		return apierrors.NewBadRequest("not a WebSocket handshake of version 13")
	}
	return nil
}

// strip takes from a request all but its handshake: Fiber's socket keeps copies
// of headers, cookies and parameters as long as it is open, and what proves who
// sent a request is not to be kept at all.
func strip(fc *fasthttp.RequestCtx) {
	h := &fc.Request.Header
	key := string(h.Peek("Sec-WebSocket-Key"))
	h.Reset()
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	fc.QueryArgs().Reset()
	fc.ResetUserValues()
}

// serveWebSocket hands an open socket over.
func (s *Server) serveWebSocket(conn *websocket.Conn) {
	w, _ := conn.Locals(answerKey).(*request.WebSocket)
	if w == nil {
		return
	}
	s.takeOver(conn.NetConn(), func(ctx context.Context, taken *hijackedConn) {
		if w.Ahead > 0 {
			taken.limit(w.Ahead)
		}
		w.Serve(ctx, &socket{Conn: conn, taken: taken})
	})
}

// socket is an open WebSocket: its Close really closes, and it reads nothing
// once its handler has returned.
type socket struct {
	*websocket.Conn
	taken *hijackedConn
}

// ReadMessage reads a whole message.
func (k *socket) ReadMessage() (kind int, p []byte, err error) {
	err = k.taken.during(func() error {
		kind, p, err = k.Conn.ReadMessage()
		return err
	})
	return kind, p, err
}

// NextReader gives the next message to be read.
func (k *socket) NextReader() (kind int, message io.Reader, err error) {
	err = k.taken.during(func() error {
		kind, message, err = k.Conn.NextReader()
		return err
	})
	return kind, &part{of: message, taken: k.taken}, err
}

// Close closes the connection.
func (k *socket) Close() error { return k.taken.Close() }

// part is a message that is being read.
type part struct {
	of    io.Reader
	taken *hijackedConn
}

// Read reads from the message.
func (m *part) Read(p []byte) (n int, err error) {
	err = m.taken.during(func() error {
		n, err = m.of.Read(p)
		return err
	})
	return n, err
}
