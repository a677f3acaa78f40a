package endpoints

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"
)

const webSocketKey = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455

func webSocketHeader() header {
	return header{
		"Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": webSocketKey,
		"Sec-WebSocket-Protocol": bearerProtocol + "abc, binary.k8s.io",
	}
}

func readServerFrame(t *testing.T, r io.Reader) (opcode byte, payload string) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	n := int(head[1])
	if n == 126 {
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			t.Fatal(err)
		}
		n = int(binary.BigEndian.Uint16(size[:]))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return head[0] & 0x0f, string(b)
}

func TestWebSocketWatch(t *testing.T) {
	a := newAPI(t)
	a.configMap("one", "")
	r := a.request("GET", configMaps+"?watch=true", "", webSocketHeader())
	p, err := a.Serve(request.With(a.ctx, r), r)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Hijack(context.Background(), server)
	}()
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(client)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || answer.Header.Get("Sec-WebSocket-Protocol") != "binary.k8s.io" {
		t.Errorf("handshake %v", answer)
	}
	if opcode, event := readServerFrame(t, in); opcode != opText || !strings.Contains(event, `{"type":"ADDED"`) || !strings.Contains(event, `"name":"one"`) {
		t.Errorf("event %d %s", opcode, event)
	}
	// A ping, masked with zeros.
	if _, err := client.Write([]byte{0x80 | opPing, 0x80 | 2, 0, 0, 0, 0, 'h', 'i'}); err != nil {
		t.Fatal(err)
	}
	if opcode, text := readServerFrame(t, in); opcode != opPong || text != "hi" {
		t.Errorf("pong %d %s", opcode, text)
	}
	if _, err := client.Write([]byte{0x80 | opClose, 0x80, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if opcode, _ := readServerFrame(t, in); opcode != opClose {
		t.Errorf("goodbye %d", opcode)
	}
	<-ended
}

func TestBadWebSocketHandshake(t *testing.T) {
	a := newAPI(t)
	h := webSocketHeader()
	h["Sec-WebSocket-Key"] = "short"
	a.do("GET", configMaps+"?watch=true", "", h).has(400)
}
