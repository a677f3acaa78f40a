package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"github.com/valyala/fasthttp"
)

// blockSize is how much of a Stream is gathered before it is written.
const blockSize = 64 << 10

// write turns a response into what fasthttp sends. One that opens a WebSocket is
// for upgrade.
func write(s *Server, fc *fasthttp.RequestCtx, r *request.Request, p *request.Response) {
	if p == nil {
		p = &request.Response{}
	}
	switch {
	case p.Hijack != nil:
		hijack := p.Hijack
		fc.HijackSetNoResponse(true)
		fc.Hijack(func(c net.Conn) {
			s.takeOver(c, func(ctx context.Context, conn *hijackedConn) { hijack(ctx, conn) })
		})
	case p.Chunked != nil && !fc.IsHead():
		head, plain, body := chunkedHead(p, fc.Request.Header.IsHTTP11()), !fc.Request.Header.IsHTTP11(), p.Chunked
		fc.HijackSetNoResponse(true)
		fc.Hijack(func(c net.Conn) {
			s.takeOver(c, func(ctx context.Context, conn *hijackedConn) { s.stream(ctx, conn, r, head, plain, body) })
		})
	default:
		writeHeader(fc, p)
		writeBody(fc, r, p)
	}
}

func writeHeader(fc *fasthttp.RequestCtx, p *request.Response) {
	fc.SetStatusCode(statusOf(p))
	h := &fc.Response.Header
	if p.ContentType != "" {
		h.SetContentType(p.ContentType)
	}
	for _, l := range p.Header {
		h.Add(l.Name, l.Value)
	}
}

func statusOf(p *request.Response) int {
	if p.Status == 0 {
		return http.StatusOK
	}
	return p.Status
}

func writeBody(fc *fasthttp.RequestCtx, r *request.Request, p *request.Response) {
	length := lengthOf(p)
	switch {
	case fc.Request.Header.IsHTTP11() && wantsGzip(r, p, length):
		writeGzip(fc, p)
	case p.Stream != nil:
		fc.Response.SetBodyStream(newBlockStream(fc, bodyOf(p)), int(length))
	case length > blockSize:
		fc.Response.SetBodyStream(newBlockStream(fc, bodyOf(p)), int(length))
	default:
		fc.Response.SetBodyRaw(p.Body)
	}
}

// lengthOf is the length of a response's body before it is compressed.
func lengthOf(p *request.Response) int64 {
	if p.Stream != nil {
		return p.Stream.Len()
	}
	return int64(len(p.Body))
}

// bodyOf gives what writes the body of a response.
func bodyOf(p *request.Response) func(w request.Writer) error {
	if p.Stream != nil {
		return p.Stream.WriteTo
	}
	return func(w request.Writer) error {
		_, err := w.Write(p.Body)
		return err
	}
}

// blockStream is a body that is written in blocks of up to 64 KB, each with a
// write deadline of its own: a client that takes its time gets it all, one that
// takes nothing is dropped.
type blockStream struct {
	fill    func(w request.Writer) error
	conn    deadliner
	timeout time.Duration
	// wrap puts an encoder between fill and the connection.
	wrap func(w io.Writer) encoder
}

// deadliner is what a write can be given until a time for.
type deadliner interface{ SetWriteDeadline(t time.Time) error }

type encoder interface {
	io.Writer
	Close() error
}

func newBlockStream(fc *fasthttp.RequestCtx, fill func(w request.Writer) error) *blockStream {
	return &blockStream{fill: fill, conn: fc.Conn(), timeout: writeTimeout}
}

// Read is not used: fasthttp takes WriteTo.
func (b *blockStream) Read([]byte) (int, error) {
	return 0, errors.New("server: BUG: a body was read that can only be written")
}

// SupportsBodyWriteTo makes fasthttp take WriteTo for chunked bodies too.
func (b *blockStream) SupportsBodyWriteTo() bool { return true }

var blocks = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, blockSize) }}

// WriteTo writes the body. An error, or a panic turned into one, makes fasthttp
// close the connection.
func (b *blockStream) WriteTo(to io.Writer) (n int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "body")
			err = fmt.Errorf("server: panic while writing a body: %v", p)
		}
	}()
	out := &deadlineWriter{to: to, conn: b.conn, timeout: b.timeout}
	block := blocks.Get().(*bufio.Writer)
	block.Reset(out)
	defer func() { block.Reset(nil); blocks.Put(block) }()
	if b.wrap != nil {
		err = b.fillEncoded(block)
	} else {
		err = b.fill(block)
	}
	if err == nil {
		err = block.Flush()
	}
	return out.n, err
}

func (b *blockStream) fillEncoded(block *bufio.Writer) error {
	e := b.wrap(block)
	gather := bufio.NewWriterSize(e, 16<<10)
	if err := b.fill(gather); err != nil {
		return err
	}
	if err := gather.Flush(); err != nil {
		return err
	}
	return e.Close()
}

// deadlineWriter renews the connection's write deadline at every write and
// counts the bytes.
type deadlineWriter struct {
	to      io.Writer
	conn    deadliner
	timeout time.Duration
	n       int64
}

func (w *deadlineWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if w.conn != nil {
			if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
				return written, err
			}
		}
		n, err := w.to.Write(p[:min(len(p), blockSize)])
		written += n
		w.n += int64(n)
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// chunkedHead is the header of a response that is written past fasthttp.
func chunkedHead(p *request.Response, http11 bool) []byte {
	status := statusOf(p)
	b := make([]byte, 0, 512)
	if http11 {
		b = append(b, "HTTP/1.1 "...)
	} else {
		b = append(b, "HTTP/1.0 "...)
	}
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	b = appendLine(b, "Date", time.Now().UTC().Format(http.TimeFormat))
	b = appendLine(b, "Content-Type", p.ContentType)
	for _, l := range p.Header {
		b = appendLine(b, l.Name, l.Value)
	}
	if http11 {
		b = appendLine(b, "Transfer-Encoding", "chunked")
	}
	// The connection is not used again: whatever a client sends ends a watch.
	b = appendLine(b, "Connection", "close")
	return append(b, "\r\n"...)
}

// appendLine adds a header line; a value can end neither its line nor the
// header.
func appendLine(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, name...), ": "...)
	for i := range len(value) {
		c := value[i]
		if c < ' ' && c != '\t' || c == 0x7f {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, "\r\n"...)
}
