package terminal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/web/messages"

	"github.com/fasthttp/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// protocol is the version of the API's protocol for commands that is spoken here.
const protocol = "v5.channel.k8s.io"

// dialTimeout bounds the handshake, which comes before the node is asked.
const dialTimeout = 20 * time.Second

// dial opens a WebSocket of the API inside the process, as the client's user.
// When the API refuses, the error is its Status.
func dial(ctx context.Context, c *client.Client, path string, query url.Values) (*websocket.Conn, error) {
	near, far := net.Pipe()
	refusal := make(chan error, 1)
	go func() {
		defer far.Close()
		defer metrics.Caught("terminal")
		if err := answer(ctx, c, path, query, far); err != nil {
			refusal <- err
		}
	}()
	d := websocket.Dialer{
		NetDialContext:   func(context.Context, string, string) (net.Conn, error) { return near, nil },
		HandshakeTimeout: dialTimeout, Subprotocols: []string{protocol}, ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10,
	}
	conn, _, err := d.DialContext(ctx, "ws://in-process/", nil) //nolint:bodyclose // the pipe has none
	if err == nil {
		return conn, nil
	}
	near.Close()
	select {
	case refused := <-refusal:
		return nil, refused
	default:
		return nil, err
	}
}

// answer reads the handshake from the far end of a pipe, has the API answer it,
// and serves what it opens.
func answer(ctx context.Context, c *client.Client, path string, query url.Values, far net.Conn) error {
	r := bufio.NewReaderSize(far, 1<<10)
	asked, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	header := http.Header{}
	for name, values := range asked.Header {
		if name == "Upgrade" || name == "Connection" || strings.HasPrefix(name, "Sec-Websocket-") {
			header[name] = values
		}
	}
	resp, err := c.Send(ctx, client.Call{Method: http.MethodGet, Path: path, Query: query, Header: header})
	if err != nil {
		return err
	}
	if resp.WebSocket == nil {
		if err := client.Error(client.Call{Method: http.MethodGet, Path: path}, resp); err != nil {
			return err
		}
		return errors.New("the API opened no stream")
	}
	u := websocket.Upgrader{Subprotocols: []string{resp.WebSocket.Protocol}, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10}
	conn, err := u.Upgrade(&pipe{Reader: r, conn: far}, asked, nil)
	if err != nil {
		return err
	}
	resp.WebSocket.Serve(ctx, conn)
	return nil
}

// pipe gives the upgrader the far end.
type pipe struct {
	*bufio.Reader
	conn net.Conn
	head http.Header
}

// Header is never sent: the upgrader writes to the connection itself.
func (p *pipe) Header() http.Header {
	if p.head == nil {
		p.head = http.Header{}
	}
	return p.head
}

// Write refuses: a failed handshake ends the connection.
func (p *pipe) Write([]byte) (int, error) { return 0, net.ErrClosed }

// WriteHeader does nothing.
func (p *pipe) WriteHeader(int) {}

// Hijack gives the connection.
func (p *pipe) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.conn, bufio.NewReadWriter(p.Reader, bufio.NewWriterSize(p.conn, 4<<10)), nil
}

// Outcome is how a command ended.
type Outcome struct {
	// Code is the exit code, negative when there is none.
	Code int `json:"code"`
	// Message says why there is none: the API's words, or those of Why in the
	// language of the browser that is told.
	Message string `json:"message,omitempty"`
	Why     error  `json:"-"`
	// NoShell tells that the container has no shell that is known here.
	NoShell bool `json:"noShell,omitempty"`
	// Lost tells that the connection to the node broke.
	Lost bool `json:"lost,omitempty"`
	// Gone tells that there is no such terminal any more, Other that it is somebody
	// else's, as whom the session does not act now.
	Gone  bool `json:"gone,omitempty"`
	Other bool `json:"other,omitempty"`

	refused bool // by the API, before the node was asked
}

// failed is the outcome of a command without an exit code.
func failed(why messages.Text, args ...any) Outcome {
	return Outcome{Code: -1, Why: messages.Errorf(why, args...)}
}

// lost is the outcome of a command whose node does not answer any more.
func lost() Outcome {
	o := failed("The connection to the container was lost.")
	o.Lost = true
	return o
}

// in gives the outcome as it is told in a language.
func (o Outcome) in(l *messages.Language) *Outcome {
	if o.Why != nil {
		o.Message = l.Error(o.Why)
	}
	return &o
}

// outcomeOf reads the Status at the end of a command.
func outcomeOf(raw []byte) Outcome {
	var s metav1.Status
	if json.Unmarshal(raw, &s) != nil {
		return lost()
	}
	if s.Status == metav1.StatusSuccess {
		return Outcome{}
	}
	o := Outcome{Code: -1, Message: s.Message}
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			if n, err := strconv.Atoi(c.Message); err == nil && c.Type == "ExitCode" {
				o.Code = n
			}
		}
	}
	return o
}

func outcomeOfError(err error) Outcome {
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		return Outcome{Code: -1, Message: status.Status().Message}
	case errors.Is(err, io.EOF), websocket.IsUnexpectedCloseError(err), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return lost()
	}
	return failed("The connection to the container failed.")
}
