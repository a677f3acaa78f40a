package live

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Accept answers the handshake of a tab's websocket. Only pages of this origin
// may open one.
func Accept(r *request.Request, tab Tab) (*request.Response, error) {
	p, err := Upgrade(r, func(ctx context.Context, conn request.Socket) { serve(ctx, conn, tab) })
	if err == nil {
		p.WebSocket.Ahead = ahead
	}
	return p, err
}

// ahead is what the kernel keeps for a tab that does not read, in bytes, which it
// doubles. All else waits, and is a difference when the tab reads again.
const ahead = 256 << 10

// Upgrade answers the handshake of a websocket that a page of this origin opens,
// and hands it over.
func Upgrade(r *request.Request, serve func(ctx context.Context, conn request.Socket)) (*request.Response, error) {
	if !SameOrigin(r) {
		return nil, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("a page of another origin may not open a live connection"))
	}
	if !isHandshake(r) {
		return nil, apierrors.NewBadRequest("not a WebSocket handshake of version 13")
	}
	return &request.Response{Status: http.StatusSwitchingProtocols, WebSocket: &request.WebSocket{Serve: serve}}, nil
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
