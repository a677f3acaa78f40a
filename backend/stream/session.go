package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/kubelet"
	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

const (
	// kubeletProtocol is the version of the command protocol that kubelets are
	// spoken to in: the first with a Status at the end, known to all of them.
	kubeletProtocol = "v4.channel.k8s.io"
	// kubeletPing is how often the connection to the kubelet is pinged.
	kubeletPing = 5 * time.Second
	// maxOutcome bounds the Status at the end of a command.
	maxOutcome = 256 << 10
	// closeWait is how long a client has to answer a goodbye.
	closeWait = 2 * time.Second
)

// session is a command whose client speaks over a WebSocket and whose kubelet
// speaks SPDY.
type session struct {
	server   *Server
	ws       *socket
	protocol protocol
	streams  kubelet.Streams

	kubelet *spdyConn
	// ids are the streams that were asked for, by channel.
	ids     map[byte]uint32
	outcome []byte // what came over the error stream

	reading sync.WaitGroup // receive
}

// run lasts as long as the command, the client and ctx do. Whoever ends first
// ends the others.
func (s *session) run(ctx context.Context, to *url.URL, transport *http.Transport) {
	ctx, cancel := context.WithCancel(ctx)
	defer s.reading.Wait()
	defer s.ws.Close()
	defer cancel()
	defer s.ws.keepAlive(s.server.o.PingInterval, cancel)()
	// An empty message tells clients that the streams are there.
	if s.send(s.firstChannel(), make([]byte, 1)) != nil {
		return
	}
	status, err := s.serve(ctx, cancel, to, transport)
	if err != nil {
		klog.V(2).InfoS("Command over a WebSocket failed", "err", err)
		if status = statusOf(err); ctx.Err() != nil {
			return // nobody is there to be told
		}
	}
	if outcome := s.protocol.outcome(status); outcome != nil {
		_ = s.ws.SetWriteDeadline(time.Now().Add(lastWords))
		_ = s.send(channelError, append([]byte{0}, outcome...))
	}
	s.ws.goodbye(request.CloseNormal)
	s.drain()
}

// drain waits a little for the client's goodbye: closing a connection on which
// something was not read takes back what is still on its way to the client.
func (s *session) drain() {
	_ = s.ws.SetReadDeadline(time.Now().Add(closeWait))
	s.reading.Wait()
	s.ws.discard()
}

// statusOf makes a Status of an error as clients see it.
func statusOf(err error) *metav1.Status {
	var known *apierrors.StatusError
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	return &known.ErrStatus
}

// serve opens the kubelet's side and copies until the command ends. It gives the
// command's Status.
func (s *session) serve(ctx context.Context, cancel func(), to *url.URL, transport *http.Transport) (*metav1.Status, error) {
	b, err := s.server.dialCommand(ctx, to, transport)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { b.Close() })
	defer stop()
	defer b.Close()
	s.kubelet = newSPDYConn(b)
	if err := s.open(); err != nil {
		return nil, err
	}
	s.reading.Go(metrics.Guarded("stream", func() { s.receive(); cancel() }))
	// When a ping fails, the reader of the connection notices too.
	defer every(kubeletPing, func() bool { return s.kubelet.ping() == nil })()
	if err := s.copyOut(); err != nil {
		cancel()
		return nil, err
	}
	return parseOutcome(s.outcome)
}

// parseOutcome reads what came over the kubelet's error stream.
func parseOutcome(text []byte) (*metav1.Status, error) {
	status := &metav1.Status{}
	if len(text) == 0 {
		return nil, errors.New("the connection to the node was lost")
	}
	if err := json.Unmarshal(text, status); err != nil {
		return nil, fmt.Errorf("error stream protocol error: %w in %q", err, text)
	}
	if status.Status != metav1.StatusSuccess && status.Status != metav1.StatusFailure {
		return nil, fmt.Errorf("error stream protocol error: unknown status %q", status.Status)
	}
	return status, nil
}

// dialCommand opens the SPDY connection to a kubelet's exec or attach. Its
// errors are what clients of Kubernetes know.
func (s *Server) dialCommand(ctx context.Context, to *url.URL, transport *http.Transport) (*backend, error) {
	header := http.Header{}
	header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	header.Set(httpstream.HeaderProtocolVersion, kubeletProtocol)
	b, err := s.dial(ctx, http.MethodPost, to, header, "", transport)
	if err != nil {
		return nil, fmt.Errorf("error sending request: %w", &url.Error{Op: "Post", URL: to.String(), Err: err})
	}
	if !b.switched() || !strings.EqualFold(b.answer.Header.Get(httpstream.HeaderUpgrade), spdy.HeaderSpdy31) {
		return nil, refusedCommand(b)
	}
	return b, nil
}

// refusedCommand is the error of a kubelet that does not take a command: its own
// Status or its text.
func refusedCommand(b *backend) error {
	text, err := b.refusal()
	if err != nil {
		return errors.New("unable to upgrade connection: unable to read error from server response")
	}
	status := metav1.Status{}
	if json.Unmarshal(text, &status) == nil && status.Kind == "Status" && status.Status == metav1.StatusFailure {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return fmt.Errorf("unable to upgrade connection: %s", strings.TrimSpace(string(text)))
}

// open makes the streams that were asked for, in the order that kubelets know.
// A terminal has no stderr of its own. The error stream's own direction to the
// kubelet is not closed: a kubelet whose command is over closes the connection,
// and what it has not read by then would take back what it has written.
func (s *session) open() error {
	s.ids = map[byte]uint32{}
	var kinds []string
	for _, f := range []struct {
		channel byte
		kind    string
		wanted  bool
	}{
		{channelError, corev1.StreamTypeError, true},
		{channelStdin, corev1.StreamTypeStdin, s.streams.Stdin},
		{channelStdout, corev1.StreamTypeStdout, s.streams.Stdout},
		{channelStderr, corev1.StreamTypeStderr, s.streams.Stderr && !s.streams.TTY},
		{channelResize, corev1.StreamTypeResize, s.streams.TTY},
	} {
		if f.wanted {
			s.ids[f.channel] = streamID(len(kinds))
			kinds = append(kinds, f.kind)
		}
	}
	return s.kubelet.open(kinds)
}

// receive hands on what the client sends until it is gone. What comes on a
// channel that was not asked for is dropped.
func (s *session) receive() {
	for {
		_, message, err := s.ws.NextReader()
		if err != nil {
			return
		}
		channel, data, ok := s.protocol.open(message)
		if !ok {
			continue
		}
		if s.handOn(channel, data) != nil {
			// A kubelet that takes nothing more has gone, which copyOut finds out and
			// tells the client, who is still there.
			s.ws.discard()
			return
		}
	}
}

func (s *session) handOn(channel byte, data io.Reader) error {
	switch channel {
	case channelStdin, channelResize:
		if id, ok := s.ids[channel]; ok {
			return s.kubelet.copyIn(id, data)
		}
	case channelClose:
		var which [1]byte
		if _, err := io.ReadFull(data, which[:]); err != nil || which[0] != channelStdin || !s.protocol.closes {
			return nil
		}
		if id, ok := s.ids[channelStdin]; ok {
			return s.kubelet.end(id)
		}
	}
	return nil
}

// copyOut sends what the command says to the client until all of it has come, or
// the kubelet has gone. Its error is that of a client that is gone.
func (s *session) copyOut() error {
	open := map[uint32]byte{}
	for _, channel := range []byte{channelStdout, channelStderr, channelError} {
		if id, ok := s.ids[channel]; ok {
			open[id] = channel
		}
	}
	small := make([]byte, idleBuffer)
	for len(open) > 0 {
		f, err := s.kubelet.next()
		if err != nil {
			return nil // what has come decides what it means
		}
		channel, known := open[f.stream]
		if !known {
			_, err = s.kubelet.r.Discard(f.length)
		} else if channel == channelError {
			err = s.keepOutcome(f.length)
		} else if gone := s.copyFrame(channel, f.length, small); gone != nil {
			return gone
		}
		if err != nil {
			return nil
		}
		if f.fin {
			delete(open, f.stream)
		}
	}
	return nil
}

// copyFrame sends the data of a frame to the client.
func (s *session) copyFrame(channel byte, length int, buffer []byte) error {
	if length >= len(buffer) {
		large := busy.Get().(*[]byte)
		defer busy.Put(large)
		buffer = *large
	}
	for length > 0 {
		n, err := s.kubelet.r.Read(buffer[1:min(len(buffer), 1+length)])
		if err != nil {
			return nil // the next frame will tell
		}
		if err := s.send(channel, buffer[:1+n]); err != nil {
			return err
		}
		length -= n
	}
	return nil
}

// keepOutcome takes what comes over the error stream, as far as it may be.
func (s *session) keepOutcome(length int) error {
	if room := maxOutcome - len(s.outcome); length > room {
		return errors.New("the outcome of a command is too long")
	}
	p := make([]byte, length)
	n, err := io.ReadFull(s.kubelet.r, p)
	s.outcome = append(s.outcome, p[:n]...)
	return err
}

// send sends data, whose first byte is free, over a channel.
func (s *session) send(channel byte, data []byte) error {
	return s.ws.message(s.protocol.frame(channel, data))
}

func (s *session) firstChannel() byte {
	switch {
	case s.streams.Stdout:
		return channelStdout
	case s.streams.Stderr && !s.streams.TTY:
		return channelStderr
	}
	return channelError
}
