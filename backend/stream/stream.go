// Package stream owns the API server's half of what leads to a node or to what
// runs there: pods/log, pods/exec, pods/attach, pods/portforward and the proxy
// subresources of pods, services and nodes. It finds out where a request goes
// (locate.go), opens the way there (upgrade.go, package kubelet) and pumps bytes
// between the client's protocol and the kubelet's. It decides nothing about who
// may do so, but for the right to create that a WebSocket needs too. Read
// stream.go, then command.go, session.go and proxy.go; docs/streams.md has the
// protocols.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"pilothouse/backend/kubelet"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options are what streams need.
type Options struct {
	Kubelet *kubelet.Client
	// Access tells whether a WebSocket's user may create, too.
	Access *registry.Access
	// PingInterval is how often an idle WebSocket is pinged; 0 means 30 seconds.
	PingInterval time.Duration
	// OpenTimeout bounds how long a node has to accept a stream; 0 means 30
	// seconds.
	OpenTimeout time.Duration
	// Patience is how long a request that a node has taken waits for the answer
	// before its client is watched for going away; 0 means 2 seconds.
	Patience time.Duration
	// MaxMessage is the most bytes that a client may send as one message of a
	// WebSocket; 0 means 32 MiB, as for kubelets.
	MaxMessage int64
	// MaxStreams is how many streams are open at the same time at most; 0 means
	// no bound.
	MaxStreams int
}

// Server answers the requests of registry.Streams.
type Server struct {
	o     Options
	limit *limiter
	// pods is the transport to pods and services, which know no certificate of
	// ours.
	pods *http.Transport
}

// New gives a Server.
func New(o Options) *Server {
	setDefault(&o.PingInterval, 30*time.Second)
	setDefault(&o.OpenTimeout, 30*time.Second)
	setDefault(&o.Patience, 2*time.Second)
	setDefault(&o.MaxMessage, 32<<20)
	return &Server{o: o, limit: &limiter{most: int64(o.MaxStreams)}, pods: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: o.OpenTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a pod's certificate names nothing that is known here, as in kube-apiserver
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 25,
		DisableCompression:  true,
	}}
}

func setDefault[T ~int64](d *T, value T) {
	if *d == 0 {
		*d = value
	}
}

// Streams gives what the resources of the core group connect to.
func (s *Server) Streams() registry.Streams {
	return registry.Streams{
		PodLog: s.limited(s.podLog), PodExec: s.limited(s.podExec), PodAttach: s.limited(s.podAttach), PodPortForward: s.limited(s.podPortForward),
		PodProxy: s.limited(s.podProxy), ServiceProxy: s.limited(s.serviceProxy), NodeProxy: s.limited(s.nodeProxy),
	}
}

// shownError is a 500 without a reason whose text the client sees, as
// Kubernetes answers where an error was not made for the API.
func shownError(text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Message: text,
	}}
}

// needCreate asks for the right to create a stream that was opened by GET, as
// WebSockets are. Kubernetes does so since 1.35
// (AuthorizePodWebsocketUpgradeCreatePermission).
func (s *Server) needCreate(ctx context.Context, r *request.Request) error {
	if r.Info.Verb == "create" {
		return nil
	}
	if s.o.Access == nil || s.o.Access.Authorize == nil {
		return apierrors.NewInternalError(errors.New("no authorizer available"))
	}
	info := r.Info
	info.Verb = "create"
	d, err := s.o.Access.Authorize(ctx, r.User, &info)
	switch {
	case d.Allowed:
		return nil
	case err != nil:
		return err
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: info.Group, Resource: info.Resource}, info.Name, errors.New(d.Reason))
}
