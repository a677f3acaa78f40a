package endpoints

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// A watch over a WebSocket (RFC 6455) sends each event as one message, as text
// for JSON and as binary for protobuf. The client has nothing to say but pings
// and its goodbye.

// isWebSocket tells that a request asks for a WebSocket.
func isWebSocket(r *request.Request) bool {
	upgrade := r.Header.Get("Upgrade")
	return strings.EqualFold(upgrade, "websocket") && headerHas(r.Header.Values("Connection"), "upgrade")
}

func headerHas(values []string, word string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), word) {
				return true
			}
		}
	}
	return false
}

// webSocket answers with the stream over a WebSocket.
func (s *watchStream) webSocket(r *request.Request) (*request.Response, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 || r.Header.Get("Sec-WebSocket-Version") != "13" {
		s.close()
		return nil, apierrors.NewBadRequest("not a WebSocket handshake of version 13")
	}
	s.messages = true
	protocol := chooseProtocol(r.Header.Values("Sec-WebSocket-Protocol"))
	return &request.Response{Hijack: func(ctx context.Context, conn net.Conn) {
		if err := s.serveWebSocket(ctx, conn, key, protocol); err != nil {
			klog.V(2).InfoS("WebSocket watch ended", "audit-ID", r.ID, "err", err)
		}
	}}, nil
}

func (s *watchStream) close() {
	if s.watcher != nil {
		s.watcher.Close()
	}
}

// bearerProtocol is the subprotocol in which browsers hand over a token.
const bearerProtocol = "base64url.bearer.authorization.k8s.io."

func chooseProtocol(offered []string) string {
	for _, line := range offered {
		for p := range strings.SplitSeq(line, ",") {
			if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, bearerProtocol) {
				return p
			}
		}
	}
	return ""
}

func (s *watchStream) serveWebSocket(ctx context.Context, conn net.Conn, key, protocol string) error {
	defer s.close()
	ws := &webSocket{conn: conn, opcode: opText}
	if s.frames.protobuf {
		ws.opcode = opBinary
	}
	if err := ws.accept(key, protocol, s.frames.mediaType()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer stop()
		defer metrics.Caught("watch")
		ws.read()
	}()
	err := s.run(ctx, ws)
	stop()
	ws.goodbye()
	// The reader ends with the connection at the latest.
	_ = conn.SetReadDeadline(time.Now().Add(closeWait))
	<-read
	return err
}

// Opcodes of frames.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

const (
	writeWait = 15 * time.Second
	closeWait = 2 * time.Second
	// maxControl is the most that a control frame carries; maxClientFrame the
	// most that a client may say at once.
	maxControl     = 125
	maxClientFrame = 4 << 10
)

// webSocket is the server's end: a request.ChunkWriter whose Flush sends what
// was written as one message.
type webSocket struct {
	conn   net.Conn
	opcode byte

	buf []byte // of the goroutine that writes messages

	mu     sync.Mutex // guards writes to conn and closed
	closed bool
}

func (w *webSocket) accept(key, protocol, mediaType string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 asks for it
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nContent-Type: %s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]), mediaType)
	if protocol != "" && !strings.ContainsAny(protocol, "\r\n") {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", protocol)
	}
	b.WriteString("\r\n")
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeWait))
	_, err := io.WriteString(w.conn, b.String())
	return err
}

// Write gathers a message.
func (w *webSocket) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// Flush sends the message.
func (w *webSocket) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.frame(w.opcode, w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *webSocket) frame(opcode byte, payload []byte) error {
	head := make([]byte, 2, 10)
	head[0] = 0x80 | opcode
	switch n := len(payload); {
	case n <= maxControl:
		head[1] = byte(n)
	case n <= 0xffff:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.closed = opcode == opClose
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	buffers := net.Buffers{head, payload}
	_, err := buffers.WriteTo(w.conn)
	return err
}

// goodbye says that the stream is at its end.
func (w *webSocket) goodbye() { _ = w.frame(opClose, binary.BigEndian.AppendUint16(nil, 1000)) }

// read answers pings and returns when the client says goodbye, goes away or
// breaks the protocol.
func (w *webSocket) read() {
	r := bufio.NewReaderSize(w.conn, 512)
	for {
		opcode, payload, err := readFrame(r)
		switch {
		case err != nil, opcode == opClose:
			return
		case opcode == opPing:
			if w.frame(opPong, payload) != nil {
				return
			}
		}
	}
}

var errFrame = errors.New("websocket: bad frame")

// readFrame reads one frame of a client, which has to be masked.
func readFrame(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	opcode = head[0] & 0x0f
	n := uint64(head[1] & 0x7f)
	masked := head[1]&0x80 != 0
	if head[0]&0x70 != 0 || !masked || opcode >= opClose && (n > maxControl || head[0]&0x80 == 0) {
		return 0, nil, errFrame
	}
	switch n {
	case 126:
		var size [2]byte
		_, err = io.ReadFull(r, size[:])
		n = uint64(binary.BigEndian.Uint16(size[:]))
	case 127:
		var size [8]byte
		_, err = io.ReadFull(r, size[:])
		n = binary.BigEndian.Uint64(size[:])
	}
	if err != nil {
		return 0, nil, err
	}
	if n > maxClientFrame {
		return 0, nil, errFrame
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return opcode, payload, nil
}
