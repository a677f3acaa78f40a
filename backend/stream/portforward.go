package stream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

const (
	// tunnelPrefix begins the subprotocols of a WebSocket whose messages are the
	// bytes of a SPDY connection; what follows is the protocol spoken in that.
	tunnelPrefix = "SPDY/3.1+"
	// forwardProtocol is that of port-forwarding.
	forwardProtocol = "portforward.k8s.io"
)

// podPortForward forwards connections to ports of a pod. A WebSocket is either a
// tunnel of SPDY, which is unpacked here, or of an old kind that only kubelets
// know.
func (s *Server) podPortForward(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	if err := s.needCreate(ctx, r); err != nil {
		return nil, err
	}
	pod, err := s.pod(ctx, c, r)
	if err != nil {
		return nil, err
	}
	k, err := s.assigned(ctx, c, r, pod)
	if err != nil {
		return nil, err
	}
	var ports []int32
	if o, ok := c.Options.(*corev1.PodPortForwardOptions); ok {
		ports = o.Ports
	}
	to := k.PortForwardURL(pod, ports)
	switch {
	case wantsWebSocket(r) && len(tunnelled(r)) > 0:
		return s.tunnel(ctx, r, to, k.Transport)
	case wantsUpgrade(r):
		return s.passThrough(ctx, r, to, k.Transport)
	}
	return nil, errNoUpgrade
}

// tunnelled are the protocols that a client offers to speak in a tunnel.
func tunnelled(r *request.Request) []string {
	var out []string
	for _, p := range offered(r) {
		if inner, ok := strings.CutPrefix(p, tunnelPrefix); ok && strings.HasSuffix(inner, forwardProtocol) {
			out = append(out, inner)
		}
	}
	return out
}

// tunnel opens the kubelet's SPDY connection and joins it to a WebSocket.
func (s *Server) tunnel(ctx context.Context, r *request.Request, to *url.URL, transport *http.Transport) (*request.Response, error) {
	if err := checkHandshake(r); err != nil {
		return nil, err
	}
	header := http.Header{httpstream.HeaderProtocolVersion: tunnelled(r)}
	header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	b, err := s.dial(ctx, http.MethodPost, to, header, "", transport)
	if err != nil {
		return nil, shownError(fmt.Sprintf("error dialing backend: %v", err))
	}
	if !b.switched() {
		return refused(b)
	}
	name := ""
	if inner := b.answer.Header.Get(httpstream.HeaderProtocolVersion); inner != "" {
		name = tunnelPrefix + inner
	}
	return s.webSocket(name, once(b, func(ctx context.Context, ws *socket) { s.joinTunnel(ctx, ws, b) })), nil
}

// joinTunnel copies between a WebSocket and a connection until one ends.
func (s *Server) joinTunnel(ctx context.Context, ws *socket, b net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { b.Close(); ws.Close() })
	defer stop()
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	defer ws.keepAlive(s.o.PingInterval, cancel)()
	wait.Go(metrics.Guarded("stream", func() {
		defer cancel()
		for {
			_, message, err := ws.NextReader()
			if err != nil || copyStream(b, message) != nil {
				return
			}
		}
	}))
	if readStream(b, 0, func(p []byte) error { return ws.message(request.BinaryMessage, p) }) == nil {
		ws.goodbye(request.CloseNormal)
	}
}
