package stream

import (
	"context"
	"net/http"
	"net/url"

	"pilothouse/backend/kubelet"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
)

// podExec runs a command in a container.
func (s *Server) podExec(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	o, _ := c.Options.(*corev1.PodExecOptions)
	if o == nil {
		o = &corev1.PodExecOptions{}
	}
	streams := kubelet.Streams{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, TTY: o.TTY}
	return s.command(ctx, c, r, o.Container, streams, func(k *kubelet.Connection, pod *corev1.Pod, container string) *url.URL {
		return k.ExecURL(pod, container, streams, o.Command)
	})
}

// podAttach attaches to a container's own process.
func (s *Server) podAttach(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	o, _ := c.Options.(*corev1.PodAttachOptions)
	if o == nil {
		o = &corev1.PodAttachOptions{}
	}
	streams := kubelet.Streams{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, TTY: o.TTY}
	return s.command(ctx, c, r, o.Container, streams, func(k *kubelet.Connection, pod *corev1.Pod, container string) *url.URL {
		return k.AttachURL(pod, container, streams)
	})
}

// command is what exec and attach share. SPDY goes through to the kubelet as it
// is; a WebSocket of any version becomes SPDY, so that a kubelet needs to know
// nothing else.
func (s *Server) command(ctx context.Context, c registry.Call, r *request.Request, container string, streams kubelet.Streams,
	location func(k *kubelet.Connection, pod *corev1.Pod, container string) *url.URL) (*request.Response, error) {
	if err := s.needCreate(ctx, r); err != nil {
		return nil, err
	}
	pod, err := s.pod(ctx, c, r)
	if err != nil {
		return nil, err
	}
	if container, err = chooseContainer(pod, container); err != nil {
		return nil, err
	}
	k, err := s.assigned(ctx, c, r, pod)
	if err != nil {
		return nil, err
	}
	to := location(k, pod, container)
	switch {
	case wantsWebSocket(r):
		return s.commandOverWebSocket(r, to, k.Transport, streams)
	case wantsUpgrade(r):
		return s.passThrough(ctx, r, to, k.Transport)
	}
	return nil, errNoUpgrade
}

// commandOverWebSocket accepts the WebSocket first: browsers show nothing of a
// handshake that fails, so what goes wrong later goes over the error channel.
func (s *Server) commandOverWebSocket(r *request.Request, to *url.URL, transport *http.Transport, streams kubelet.Streams) (*request.Response, error) {
	if err := checkHandshake(r); err != nil {
		return nil, err
	}
	name, err := choose(r, commandProtocols...)
	if err != nil {
		return nil, err
	}
	return s.webSocket(name, func(ctx context.Context, ws *socket) {
		session := &session{server: s, ws: ws, protocol: protocolOf(name), streams: streams}
		session.run(ctx, to, transport)
	}), nil
}
