package stream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pingWait is how long a control message may take.
const pingWait = 5 * time.Second

// checkHandshake tells what is wrong with a request for a WebSocket.
func checkHandshake(r *request.Request) error {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	if r.Method != http.MethodGet || err != nil || len(key) != 16 || r.Header.Get("Sec-WebSocket-Version") != "13" {
		return apierrors.NewBadRequest("not a WebSocket handshake of version 13")
	}
	if origin := r.Header.Get("Origin"); r.Dashboard && origin != "" {
		// The dashboard knows its users by a cookie, which browsers send for pages
		// of any origin.
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Header.Get("Host")) {
			return apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("a page of another origin may not open a stream"))
		}
	}
	return nil
}

// offered are the subprotocols that a client offers, without the one that
// carries its token; a single empty one when there are none.
func offered(r *request.Request) []string {
	var out []string
	for _, p := range splitList(r.Header.Values("Sec-WebSocket-Protocol")...) {
		if !strings.HasPrefix(p, bearerProtocol) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return []string{""}
	}
	return out
}

// choose gives the first subprotocol of a client that is among those known.
func choose(r *request.Request, known ...string) (string, error) {
	protocols := offered(r)
	for _, p := range protocols {
		for _, k := range known {
			if p == k {
				return p, nil
			}
		}
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("requested protocol(s) are not supported: %v; supports %v", protocols, known))
}

// socket is the server's end of a WebSocket.
type socket struct {
	request.Socket
	mu sync.Mutex // guards writes of messages
}

// webSocket answers a checked handshake; the socket is closed when serve returns.
func (s *Server) webSocket(protocol string, serve func(ctx context.Context, ws *socket)) *request.Response {
	return &request.Response{Status: http.StatusSwitchingProtocols, WebSocket: &request.WebSocket{Protocol: protocol, Serve: func(ctx context.Context, conn request.Socket) {
		defer conn.Close()
		conn.SetReadLimit(s.o.MaxMessage)
		serve(ctx, &socket{Socket: conn})
	}}}
}

// message sends one message.
func (k *socket) message(kind int, p []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.WriteMessage(kind, p)
}

// keepAlive pings an open socket until stop, so that nothing between here and
// the client takes it for dead. When the client is gone it calls gone.
func (k *socket) keepAlive(interval time.Duration, gone func()) (stop func()) {
	return every(interval, func() bool {
		err := k.WriteControl(request.PingMessage, nil, time.Now().Add(pingWait))
		var timeout net.Error
		if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
			gone()
			return false
		}
		return true // a time-out only means that a message is still on its way
	})
}

// every calls f each time that d has passed, until stop is called or f is false.
// Unlike a goroutine with a ticker it holds next to nothing in between.
func every(d time.Duration, f func() bool) (stop func()) {
	var mu sync.Mutex // guards t and stopped
	var t *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	t = time.AfterFunc(d, func() {
		defer metrics.Caught("stream")
		if !f() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			t.Reset(d)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		t.Stop()
	}
}

// discard reads and forgets what a client says until it is gone.
func (k *socket) discard() {
	for {
		if _, _, err := k.NextReader(); err != nil {
			return
		}
	}
}

// goodbye ends the socket in order.
func (k *socket) goodbye(code int) {
	_ = k.WriteControl(request.CloseMessage, request.ClosingWith(code, ""), time.Now().Add(pingWait))
}
