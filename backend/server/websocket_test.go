package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"

	"github.com/fasthttp/websocket"
)

func webSockets(serve func(ctx context.Context, conn request.Socket)) request.Handler {
	return func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{WebSocket: &request.WebSocket{Protocol: "words", Serve: serve}}, nil
	}
}

func (f *fixture) webSocket(t *testing.T) (*websocket.Conn, *http.Response) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"other", "words"}, EnableCompression: true}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(f.dashboard, "http")+"/socket?token=s3cret", http.Header{
		"Authorization": {"Bearer s3cret"}, "Cookie": {"session=s3cret"},
	})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	return conn, resp
}

func TestAWebSocketIsServed(t *testing.T) {
	var kept string
	f := start(t, webSockets(func(_ context.Context, conn request.Socket) {
		c := conn.(*socket).Conn
		kept = c.Headers("Authorization") + c.Headers("Cookie") + c.Cookies("session") + c.Query("token")
		conn.SetReadLimit(100)
		for {
			kind, p, err := conn.ReadMessage()
			if err != nil {
				return
			}
			_ = conn.WriteMessage(kind, append([]byte("got "), p...))
		}
	}))
	conn, resp := f.webSocket(t)
	if conn.Subprotocol() != "words" || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("opened with %v", resp.Header)
	}
	must(t, conn.WriteMessage(websocket.TextMessage, []byte("x")))
	if kind, p, err := conn.ReadMessage(); kind != websocket.TextMessage || string(p) != "got x" || err != nil {
		t.Errorf("got %d %q %v", kind, p, err)
	}
	must(t, conn.WriteMessage(websocket.BinaryMessage, make([]byte, 101)))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("a message that is too large: %v", err)
	}
	if kept != "" {
		t.Errorf("the open socket keeps %q", kept)
	}
}

func TestWhatFollowsAHandshakeAtOnceIsRead(t *testing.T) {
	f := start(t, webSockets(func(_ context.Context, conn request.Socket) {
		if _, m, err := conn.NextReader(); err == nil {
			p, _ := io.ReadAll(m)
			_ = conn.WriteMessage(request.TextMessage, p)
		}
	}))
	answer := f.raw("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: x\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x85\x00\x00\x00\x00early")
	head, rest, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || rest != "\x81\x05early" {
		t.Errorf("%q", answer)
	}
}

func TestOnlyAGetOpensAWebSocket(t *testing.T) {
	f := start(t, webSockets(func(context.Context, request.Socket) { t.Error("opened") }))
	for _, method := range []string{"POST", "WHATEVER"} {
		answer := f.raw(method + " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if strings.HasPrefix(answer, "HTTP/1.1 101") {
			t.Errorf("%s: %q", method, answer)
		}
	}
}

func TestShutdownEndsWebSockets(t *testing.T) {
	ended := make(chan struct{})
	f := start(t, webSockets(func(ctx context.Context, conn request.Socket) {
		_ = conn.WriteMessage(request.TextMessage, []byte("open"))
		<-ctx.Done()
		_ = conn.WriteControl(request.CloseMessage, request.ClosingWith(request.CloseGoingAway, "bye"), time.Now().Add(time.Second))
		close(ended)
	}))
	conn, _ := f.webSocket(t)
	_, _, err := conn.ReadMessage()
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	must(t, f.Shutdown(ctx))
	wait(t, "the end of the socket", ended)
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("got %v", err)
	}
}

// The buffer that a socket is read through belongs to another client once its
// handler has returned.
func TestAWebSocketIsDeadAfterItsHandler(t *testing.T) {
	reads := make(chan error, 2)
	kept := make(chan request.Socket, 1)
	f := start(t, webSockets(func(_ context.Context, conn request.Socket) {
		_, m, err := conn.NextReader()
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			_, err := io.ReadAll(m)
			reads <- err
		}()
		kept <- conn
	}))
	conn, _ := f.webSocket(t)
	w, err := conn.NextWriter(websocket.BinaryMessage)
	must(t, err)
	fmt.Fprint(w, strings.Repeat("more than one frame", 1000))
	closed := <-kept
	if err := <-reads; err == nil {
		t.Error("the message went on")
	}
	if _, _, err := closed.ReadMessage(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %v", err)
	}
}

func TestCloseEndsAReadOfAWebSocket(t *testing.T) {
	ended := make(chan struct{})
	f := start(t, webSockets(func(_ context.Context, conn request.Socket) {
		go func() {
			defer close(ended)
			_, _, _ = conn.ReadMessage()
		}()
		_ = conn.WriteMessage(request.TextMessage, []byte("open"))
		conn.Close()
		<-ended
	}))
	conn, _ := f.webSocket(t)
	if _, p, err := conn.ReadMessage(); string(p) != "open" {
		t.Errorf("got %q %v", p, err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("a closed socket is still read")
	}
}

func TestAPanicOfAWebSocketSaysNothing(t *testing.T) {
	f := start(t, webSockets(func(context.Context, request.Socket) { panic("s3cret") }))
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || strings.Contains(string(all), "s3cret") || !strings.HasPrefix(string(all), "HTTP/1.1 101") {
		t.Errorf("%q %v", all, err)
	}
}
