package stream

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
)

// maxErrorText bounds what is read of a kubelet's refusal.
const maxErrorText = 50000

// podLog gives the log of a container. A pod without a node has none yet.
func (s *Server) podLog(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
	o, _ := c.Options.(*corev1.PodLogOptions)
	if o == nil {
		o = &corev1.PodLogOptions{}
	}
	if errs := validateLogOptions(o); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "PodLogOptions"}, c.Name, errs)
	}
	pod, err := s.pod(ctx, c, r)
	if err != nil {
		return nil, err
	}
	container, err := chooseContainer(pod, o.Container)
	if err != nil {
		return nil, err
	}
	if pod.Spec.NodeName == "" {
		return &request.Response{Status: http.StatusNoContent}, nil
	}
	k, err := s.node(ctx, c, r, pod.Spec.NodeName)
	if err != nil {
		return nil, err
	}
	transport := k.Transport
	if o.InsecureSkipTLSVerifyBackend {
		transport = k.Insecure
	}
	l := &logStream{name: c.Name, from: k.LogURL(pod, container, o), follow: o.Follow}
	return s.log(ctx, r, l, transport)
}

func validateLogOptions(o *corev1.PodLogOptions) field.ErrorList {
	var errs field.ErrorList
	if o.TailLines != nil && *o.TailLines < 0 {
		errs = append(errs, field.Invalid(field.NewPath("tailLines"), *o.TailLines, "must be greater than or equal to 0"))
	}
	if o.LimitBytes != nil && *o.LimitBytes < 1 {
		errs = append(errs, field.Invalid(field.NewPath("limitBytes"), *o.LimitBytes, "must be greater than 0"))
	}
	switch {
	case o.SinceSeconds != nil && o.SinceTime != nil:
		errs = append(errs, field.Forbidden(field.NewPath(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
	case o.SinceSeconds != nil && *o.SinceSeconds < 1:
		errs = append(errs, field.Invalid(field.NewPath("sinceSeconds"), *o.SinceSeconds, "must be greater than 0"))
	}
	// The streams of a log apart are an alpha feature of Kubernetes
	// (PodLogsQuerySplitStreams).
	if o.Stream != nil {
		errs = append(errs, field.Forbidden(field.NewPath("stream"), "may not be specified"))
	}
	return errs
}

// logStream is a log on its way from a kubelet.
type logStream struct {
	name   string
	from   *url.URL
	follow bool
	*exchange
	take func() bool
}

func (s *Server) log(ctx context.Context, r *request.Request, l *logStream, transport *http.Transport) (*request.Response, error) {
	webSocket := wantsWebSocket(r)
	var subprotocol string
	if webSocket {
		err := checkHandshake(r)
		if err == nil {
			subprotocol, err = choose(r, logProtocols...)
		}
		if err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.from.String(), nil)
	if err != nil {
		return nil, shownError(err.Error())
	}
	l.exchange = begin(ctx, req, transport)
	if l.answered(ctx, s.o.Patience) {
		if err := l.check(); err != nil {
			l.end()
			return nil, err
		}
	}
	l.take = l.lend()
	if webSocket {
		return s.webSocket(subprotocol, func(ctx context.Context, ws *socket) { s.logToWebSocket(ctx, ws, l, subprotocol) }), nil
	}
	return &request.Response{ContentType: "text/plain", Chunked: l.write}, nil
}

// check tells what is wrong with the kubelet's answer, in Kubernetes' words.
func (l *logStream) check() error {
	if l.err != nil {
		return shownError((&url.Error{Op: "Get", URL: l.from.String(), Err: inPlainWords(l.err)}).Error())
	}
	status := l.resp.StatusCode
	if status >= 300 && status < 400 && l.resp.Header.Get("Location") != "" {
		return shownError((&url.Error{Op: "Get", URL: l.resp.Header.Get("Location"), Err: errors.New("redirects forbidden")}).Error())
	}
	if status >= http.StatusOK && status <= http.StatusPartialContent {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(l.resp.Body, maxErrorText))
	switch {
	case err != nil:
		return apierrors.NewInternalError(err)
	case status == http.StatusInternalServerError:
		return apierrors.NewInternalError(errors.New(string(text)))
	case status == http.StatusBadRequest:
		return apierrors.NewBadRequest(string(text))
	}
	return apierrors.NewGenericServerResponse(status, "", schema.GroupResource{Resource: "pods/log"}, l.name, string(text), 0, false)
}

// inPlainWords says of a kubelet that does not speak TLS what http.Client does.
func inPlainWords(err error) error {
	var head tls.RecordHeaderError
	if errors.As(err, &head) && string(head.RecordHeader[:]) == "HTTP/" {
		return http.ErrSchemeMismatch
	}
	return err
}

// body waits for the answer, if it isn't there, and gives the log. Ending ctx
// ends it.
func (l *logStream) body(ctx context.Context) (io.Reader, error) {
	if _, err := l.wait(ctx); err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	return l.resp.Body, nil
}

// write sends the log. Lines that are followed are sent as they come.
func (l *logStream) write(ctx context.Context, w request.ChunkWriter) error {
	if !l.take() {
		return context.DeadlineExceeded
	}
	defer l.end()
	stop := context.AfterFunc(ctx, l.cancel)
	defer stop()
	body, err := l.body(ctx)
	if err != nil {
		return err
	}
	return readStream(body, 0, func(p []byte) error {
		_, err := w.Write(p)
		if err == nil && l.follow {
			err = w.Flush()
		}
		return err
	})
}

// logProtocols are the subprotocols of a log: bytes, or base64 for clients that
// cannot take bytes.
var logProtocols = []string{"", "binary.k8s.io", "base64.binary.k8s.io"}

// logToWebSocket sends a log as messages; an empty one comes first.
func (s *Server) logToWebSocket(ctx context.Context, ws *socket, l *logStream, subprotocol string) {
	if !l.take() {
		return
	}
	defer l.end()
	text := subprotocol == "base64.binary.k8s.io"
	s.attend(ctx, ws, l.cancel, func(ctx context.Context) error {
		if err := sendLog(ws, text, nil); err != nil {
			return err
		}
		body, err := l.body(ctx)
		if err != nil {
			return err
		}
		return readStream(body, 0, func(p []byte) error { return sendLog(ws, text, p) })
	})
}

func sendLog(ws *socket, text bool, p []byte) error {
	if text {
		return ws.message(request.TextMessage, base64.StdEncoding.AppendEncode(nil, p))
	}
	return ws.message(request.BinaryMessage, p)
}

// attend runs send for a client that has nothing to say, and calls free when the
// client is gone or ctx ends.
func (s *Server) attend(ctx context.Context, ws *socket, free func(), send func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, free)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		defer metrics.Caught("stream")
		ws.discard()
	}()
	defer ws.keepAlive(s.o.PingInterval, cancel)()
	if err := send(ctx); err != nil {
		klog.V(2).InfoS("Stream over a WebSocket ended", "err", fmt.Sprint(err))
		ws.goodbye(request.CloseInternal)
	} else {
		ws.goodbye(request.CloseNormal)
	}
	cancel()
	ws.Close()
	<-done
}
