package server

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// chunkSize is where gathered writes are sent without a Flush.
const chunkSize = 32 << 10

// frameRoom is kept free before the data for the chunk's size line:
// up to 8 hexadecimal digits and CR LF.
const frameRoom = 10

var chunkBuffers = sync.Pool{New: func() any {
	b := make([]byte, frameRoom, frameRoom+chunkSize+2)
	return &b
}}

// timedWriter is a connection to be written to, or a stream of one.
type timedWriter interface {
	io.Writer
	deadliner
}

// chunkWriter writes a body whose length is not known. An idle one holds no
// buffer. It is used from one goroutine at a time.
type chunkWriter struct {
	conn    timedWriter
	timeout time.Duration
	// plain leaves the framing out: for HTTP/1.0, whose clients read until the
	// connection ends, and for HTTP/2, which has frames of its own.
	plain bool
	// head goes out with the first chunk.
	head []byte
	buf  *[]byte
	err  error
	// deadline is the connection's write deadline.
	deadline time.Time
}

// Write gathers p.
func (w *chunkWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = chunkBuffers.Get().(*[]byte)
		}
		b := *w.buf
		room := frameRoom + chunkSize - len(b)
		if room == 0 {
			w.send()
			continue
		}
		take := min(room, len(p))
		*w.buf = append(b, p[:take]...)
		p = p[take:]
	}
	if w.err != nil {
		return 0, w.err
	}
	return n, nil
}

// Flush sends what was gathered, and the header when it has not been sent.
func (w *chunkWriter) Flush() error {
	if w.err != nil {
		return w.err
	}
	if w.head == nil && w.buf == nil {
		return nil
	}
	w.send()
	return w.err
}

// send writes the header, if it is still to be sent, and the buffer as one
// chunk, and gives the buffer back.
func (w *chunkWriter) send() {
	if w.head != nil {
		w.write(w.head)
		w.head = nil
	}
	if w.buf == nil {
		return
	}
	b := *w.buf
	if w.err == nil && len(b) > frameRoom {
		w.write(w.frame(b))
	}
	*w.buf = b[:frameRoom]
	chunkBuffers.Put(w.buf)
	w.buf = nil
}

// frame puts the size line and the closing CR LF around the data in b.
func (w *chunkWriter) frame(b []byte) []byte {
	if w.plain {
		return b[frameRoom:]
	}
	var digits [8]byte
	size := strconv.AppendUint(digits[:0], uint64(len(b)-frameRoom), 16)
	start := frameRoom - 2 - len(size)
	copy(b[start:], size)
	b[frameRoom-2], b[frameRoom-1] = '\r', '\n'
	return append(b, '\r', '\n')[start:]
}

func (w *chunkWriter) write(p []byte) {
	if w.err != nil {
		return
	}
	// Moving a deadline costs a tenth of a small write, so it is moved once in a
	// while: a client has at least half of the timeout for each write.
	if now := time.Now(); w.deadline.Sub(now) < w.timeout/2 {
		w.deadline = now.Add(w.timeout)
		w.err = w.conn.SetWriteDeadline(w.deadline)
	}
	if w.err == nil {
		_, w.err = w.conn.Write(p)
	}
}

// finish sends the rest and the last chunk.
func (w *chunkWriter) finish() {
	w.send()
	if !w.plain {
		w.write([]byte("0\r\n\r\n"))
	}
}

// discard gives the buffer back without sending it.
func (w *chunkWriter) discard() {
	if w.buf != nil {
		*w.buf = (*w.buf)[:frameRoom]
		chunkBuffers.Put(w.buf)
		w.buf = nil
	}
}

// stream runs a Chunked body on a hijacked connection. A body that fails or
// panics ends without the last chunk, so its client knows that it is cut off.
func (s *Server) stream(parent context.Context, conn *hijackedConn, r *request.Request, head []byte, plain bool,
	body func(ctx context.Context, w request.ChunkWriter) error) {
	w := &chunkWriter{conn: conn, timeout: s.options.WriteTimeout, plain: plain, head: head}
	defer w.discard()
	if w.Flush() != nil {
		return
	}
	ctx, release := conn.watchForEnd(parent)
	defer release()
	ctx, stop := request.NewContext(ctx, r, time.Time{})
	defer stop()
	if err := body(ctx, w); err != nil {
		klog.V(2).InfoS("Stream ended", "uri", MaskedURI(r), "audit-ID", r.ID, "err", err)
		return
	}
	w.finish()
}
