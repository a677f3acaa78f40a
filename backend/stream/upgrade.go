package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/proxy"
)

const (
	// maxHead bounds the header of a node's answer, maxRefusal the body of one
	// that refuses a stream.
	maxHead    = 64 << 10
	maxRefusal = 1 << 20
	// lastWords is how long the last bytes to a client may take.
	lastWords = 10 * time.Second
)

// handover is how long an opened stream waits for its client's connection.
var handover = 30 * time.Second

var errNoUpgrade = apierrors.NewBadRequest("Upgrade request required")

// backend is a connection to a node or pod after its answer to an upgrade.
type backend struct {
	net.Conn
	early *bufio.Reader // what came behind the header, nil once it is read
	// head is the header of the answer as it came, answer the same, parsed.
	head   []byte
	answer *http.Response
}

// Read gives what came with the header first.
func (b *backend) Read(p []byte) (int, error) {
	if b.early != nil {
		if b.early.Buffered() > 0 {
			return b.early.Read(p)
		}
		b.early = nil
	}
	return b.Conn.Read(p)
}

func (b *backend) switched() bool { return b.answer.StatusCode == http.StatusSwitchingProtocols }

// refusal gives the body of an answer that is no upgrade, and closes the
// connection.
func (b *backend) refusal() ([]byte, error) {
	defer b.Close()
	defer b.answer.Body.Close()
	_ = b.SetReadDeadline(time.Now().Add(lastWords))
	return io.ReadAll(io.LimitReader(b.answer.Body, maxRefusal))
}

// dial sends a request for an upgrade and reads the header of the answer. ctx
// bounds the opening, not what comes after.
func (s *Server) dial(ctx context.Context, method string, to *url.URL, header http.Header, host string, transport *http.Transport) (*backend, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.OpenTimeout)
	defer cancel()
	conn, err := proxy.DialURL(ctx, to, transport)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	b, err := ask(conn, (&http.Request{Method: method, URL: to, Header: header, Host: host}).WithContext(ctx))
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return b, nil
}

func ask(conn net.Conn, req *http.Request) (*backend, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	b := &backend{Conn: conn, early: bufio.NewReader(conn)}
	for !bytes.HasSuffix(b.head, []byte("\n\r\n")) && !bytes.HasSuffix(b.head, []byte("\n\n")) {
		line, err := b.early.ReadSlice('\n')
		b.head = append(b.head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(b.head) > maxHead {
			return nil, errors.New("the header of the answer is too long")
		}
	}
	var err error
	b.answer, err = http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(b.head), b)), req)
	return b, err
}

// passThrough opens the stream that a client asks for by an upgrade as it is:
// what both sides speak afterwards is theirs.
func (s *Server) passThrough(ctx context.Context, r *request.Request, to *url.URL, transport *http.Transport) (*request.Response, error) {
	b, err := s.dial(ctx, r.Method, to, forwarded(r), r.Header.Get("Host"), transport)
	if err != nil {
		return nil, shownError(fmt.Sprintf("error dialing backend: %v", err))
	}
	if !b.switched() {
		return refused(b)
	}
	return taken(b, func(ctx context.Context, client net.Conn) {
		_ = client.SetWriteDeadline(time.Now().Add(lastWords))
		if _, err := client.Write(b.head); err != nil {
			return
		}
		_ = client.SetWriteDeadline(time.Time{})
		pump(ctx, client, b)
	}), nil
}

// refused hands on the answer of a backend that did not switch protocols.
func refused(b *backend) (*request.Response, error) {
	body, err := b.refusal()
	if b.answer.StatusCode < http.StatusBadRequest {
		return nil, shownError(fmt.Sprintf("invalid upgrade response: status code %d", b.answer.StatusCode))
	}
	if err != nil {
		return nil, shownError(err.Error())
	}
	return &request.Response{Status: b.answer.StatusCode, ContentType: b.answer.Header.Get("Content-Type"), Body: body}, nil
}

// taken gives a response that takes its client's connection over for an open
// backend. The backend is closed when serve returns, and when the client's
// connection is never handed over.
func taken(b io.Closer, serve func(ctx context.Context, client net.Conn)) *request.Response {
	return &request.Response{Status: http.StatusSwitchingProtocols, Hijack: once(b, serve)}
}

// once gives serve for the one client that an open backend has, as taken says.
func once[C any](b io.Closer, serve func(ctx context.Context, client C)) func(ctx context.Context, client C) {
	forgotten := time.AfterFunc(handover, func() { b.Close() })
	return func(ctx context.Context, client C) {
		defer b.Close()
		if forgotten.Stop() {
			serve(ctx, client)
		}
	}
}

// pump copies between two connections until one ends, then closes both.
func pump(ctx context.Context, a, b net.Conn) {
	closeBoth := func() { a.Close(); b.Close() }
	stop := context.AfterFunc(ctx, closeBoth)
	defer stop()
	var wait sync.WaitGroup
	wait.Go(metrics.Guarded("stream", func() {
		defer closeBoth()
		_ = copyStream(a, b)
	}))
	_ = copyStream(b, a)
	closeBoth()
	wait.Wait()
}

// idleBuffer is what a waiting copy holds; a stream that fills it gets a buffer
// of busyBuffer for as long as it does.
const (
	idleBuffer = 2 << 10
	busyBuffer = 32 << 10
)

var busy = sync.Pool{New: func() any { b := make([]byte, busyBuffer); return &b }}

// copyStream copies until from ends or to fails; the end of from is no error.
func copyStream(to io.Writer, from io.Reader) error {
	return readStream(from, 0, func(p []byte) error {
		_, err := to.Write(p)
		return err
	})
}

// readStream gives f what it reads until from ends; the end of from is no
// error. What f is given begins with room bytes that were not read, and is only
// good until f returns.
func readStream(from io.Reader, room int, f func(p []byte) error) error {
	small := make([]byte, idleBuffer)
	for {
		n, err := from.Read(small[room:])
		if n > 0 {
			if err := f(small[:room+n]); err != nil {
				return err
			}
		}
		if err == nil && room+n == len(small) {
			err = readBusy(from, room, f)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readBusy reads with a large buffer while there is much to read.
func readBusy(from io.Reader, room int, f func(p []byte) error) error {
	large := busy.Get().(*[]byte)
	defer busy.Put(large)
	for {
		n, err := from.Read((*large)[room:])
		if n > 0 {
			if err := f((*large)[:room+n]); err != nil {
				return err
			}
		}
		if err != nil || n < idleBuffer {
			return err
		}
	}
}
