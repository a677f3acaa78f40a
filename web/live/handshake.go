package live

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/request"

	"github.com/fasthttp/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

// Accept answers the handshake of a tab's websocket. Only pages of this origin
// may open one.
func Accept(r *request.Request, tab Tab) (*request.Response, error) {
	return Upgrade(r, func(ctx context.Context, conn *websocket.Conn) { serve(ctx, conn, tab) })
}

// Upgrade answers the handshake of a websocket that a page of this origin opens,
// and hands it over.
func Upgrade(r *request.Request, serve func(ctx context.Context, conn *websocket.Conn)) (*request.Response, error) {
	if !SameOrigin(r) {
		return nil, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("a page of another origin may not open a live connection"))
	}
	if !isHandshake(r) {
		return nil, apierrors.NewBadRequest("not a WebSocket handshake of version 13")
	}
	hr := &http.Request{Method: http.MethodGet, Host: r.Header.Get("Host"), Header: http.Header{}, URL: &url.URL{Path: r.Path}, ProtoMajor: 1, ProtoMinor: 1}
	r.Header.Each(func(name, value string) {
		if strings.HasPrefix(strings.ToLower(name), "sec-websocket-") {
			hr.Header.Add(name, value)
		}
	})
	hr.Header.Set("Connection", "Upgrade")
	hr.Header.Set("Upgrade", "websocket")
	return &request.Response{Hijack: func(ctx context.Context, conn net.Conn) {
		ws, err := upgrader.Upgrade(&taken{conn: conn}, hr, nil)
		if err != nil {
			klog.V(2).InfoS("Live socket was not opened", "err", err)
			return
		}
		serve(ctx, ws)
	}}, nil
}

// upgrader makes no use of compression: a row changes a few bytes, and its
// state would be the largest part of an idle tab.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
	CheckOrigin: func(*http.Request) bool { return true }, // SameOrigin has
}

func isHandshake(r *request.Request) bool {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Connection"), ",")), "upgrade") &&
		r.Header.Get("Sec-WebSocket-Version") == "13" && err == nil && len(key) == 16
}

// SameOrigin tells whether a request comes from a page of this server: its
// Origin header has to be there and to name the host that it was sent to.
func SameOrigin(r *request.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || u.Host == "" {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return u.Scheme == scheme && strings.EqualFold(u.Host, r.Header.Get("Host"))
}

// taken gives the upgrader the connection that was taken over.
type taken struct {
	conn net.Conn
	head http.Header
}

// Header is never sent: the upgrader writes to the connection itself.
func (t *taken) Header() http.Header {
	if t.head == nil {
		t.head = http.Header{}
	}
	return t.head
}

// Write refuses: a failed handshake ends the connection.
func (t *taken) Write([]byte) (int, error) { return 0, net.ErrClosed }

// WriteHeader does nothing.
func (t *taken) WriteHeader(int) {}

// Hijack gives the connection.
func (t *taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.conn, bufio.NewReadWriter(bufio.NewReaderSize(t.conn, 1<<10), bufio.NewWriterSize(t.conn, 4<<10)), nil
}
