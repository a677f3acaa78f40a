package aggregator

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// switched hands the client's connection and the other server's to each other.
func (e *exchange) switched() *request.Response {
	backend, ok := e.response.Body.(io.ReadWriteCloser)
	if !ok {
		e.close()
		return text(http.StatusBadGateway, "the backend switched protocols in a way that cannot be followed")
	}
	e.closeWhenDropped()
	return &request.Response{Status: http.StatusSwitchingProtocols, Hijack: func(ctx context.Context, conn net.Conn) {
		defer e.close()
		if _, err := conn.Write(e.switchedHead()); err != nil {
			return
		}
		join(ctx, conn, backend)
	}}
}

// switchedHead is the head of the other server's answer, for the client.
func (e *exchange) switchedHead() []byte {
	h := http.Header{"Connection": {"Upgrade"}, "Upgrade": e.response.Header["Upgrade"], "Audit-Id": {e.request.ID}}
	for _, l := range headerOf(e.response.Header) {
		h.Add(l.Name, l.Value)
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	h.Write(&b) //nolint:errcheck // into memory
	b.WriteString("\r\n")
	return b.Bytes()
}

// join copies both ways until either side ends or ctx does.
func join(ctx context.Context, conn net.Conn, backend io.ReadWriteCloser) {
	ended := make(chan error, 2)
	pass := func(to io.Writer, from io.Reader) {
		ended <- metrics.Protected("aggregator", func() error {
			_, err := io.Copy(to, from)
			return err
		})
	}
	go metrics.Guarded("aggregator", func() { pass(backend, conn) })()
	go metrics.Guarded("aggregator", func() { pass(conn, backend) })()
	waiting := 2
	select {
	case err := <-ended:
		waiting--
		klog.V(4).InfoS("Stream to an APIService ended", "err", err)
	case <-ctx.Done():
	}
	conn.Close()
	backend.Close()
	for range waiting {
		<-ended
	}
}
