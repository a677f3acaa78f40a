package terminal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/web/messages"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// protocol is the version of the API's protocol for commands that is spoken here.
const protocol = "v5.channel.k8s.io"

// dialTimeout bounds the handshake, which comes before the node is asked.
const dialTimeout = 20 * time.Second

// dial opens a WebSocket of the API inside the process, as the client's user.
// When the API refuses, the error is its Status.
func dial(ctx context.Context, c *client.Client, path string, query url.Values) (*inside, error) {
	near, far := net.Pipe()
	opened := make(chan error, 1)
	go func() {
		defer close(opened)
		defer far.Close()
		defer metrics.Caught("terminal")
		serve, err := open(ctx, c, path, query)
		opened <- err
		if err == nil {
			serve(ctx, newInside(far))
		}
	}()
	late := time.NewTimer(dialTimeout)
	defer late.Stop()
	err := error(context.DeadlineExceeded)
	select {
	case <-late.C:
	case <-ctx.Done():
	case refused, answered := <-opened:
		switch {
		case !answered:
			err = io.EOF
		case refused == nil:
			return newInside(near), nil
		default:
			err = refused
		}
	}
	near.Close()
	return nil, err
}

// open has the API answer a handshake, and gives what serves the socket.
func open(ctx context.Context, c *client.Client, path string, query url.Values) (serve func(context.Context, request.Socket), err error) {
	call := client.Call{Method: http.MethodGet, Path: path, Query: query, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(make([]byte, 16))}, "Sec-Websocket-Protocol": {protocol},
	}}
	resp, err := c.Send(ctx, call)
	if err != nil {
		return nil, err
	}
	if resp.WebSocket == nil {
		if err := client.Error(call, resp); err != nil {
			return nil, err
		}
		return nil, errors.New("the API opened no stream")
	}
	return resp.WebSocket.Serve, nil
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
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return lost()
	}
	return failed("The connection to the container failed.")
}
