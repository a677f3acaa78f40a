package stream_test

import (
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// BenchmarkEcho is the time from a key to its echo through both TLS connections.
func BenchmarkEcho(b *testing.B) {
	f := start(b)
	ws := f.webSocket(execPath+"stdin=true&stdout=true&command=cat", "v5.channel.k8s.io")
	must(b, ws.SetReadDeadline(time.Time{}))
	if _, _, err := ws.ReadMessage(); err != nil { // the streams are there
		b.Fatal(err)
	}
	for b.Loop() {
		must(b, ws.WriteMessage(websocket.BinaryMessage, []byte("\x00k")))
		if _, p, err := ws.ReadMessage(); err != nil || len(p) != 2 {
			b.Fatal(p, err)
		}
	}
}

// BenchmarkLog is a log of 64 MB.
func BenchmarkLog(b *testing.B) {
	f := start(b)
	b.SetBytes(64 << 20)
	for b.Loop() {
		resp := f.send(b.Context(), http.MethodGet, "/api/v1/namespaces/ns/pods/one/log?container=c&limitBytes=67108864&follow=true", "")
		n, err := io.Copy(io.Discard, resp.Body)
		if resp.Body.Close(); err != nil || n != 64<<20 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkIdle tells what an idle command costs: the heap and stacks of the
// client, the server and the fake kubelet together.
func BenchmarkIdle(b *testing.B) {
	f := start(b)
	const n = 500
	for b.Loop() {
		before := inUse()
		var all []*websocket.Conn
		for range n {
			ws := f.webSocket(execPath+"stdin=true&stdout=true&stderr=true&command=hold", "v5.channel.k8s.io")
			if _, _, err := ws.ReadMessage(); err != nil {
				b.Fatal(err)
			}
			all = append(all, ws)
		}
		time.Sleep(200 * time.Millisecond)
		b.ReportMetric(float64(inUse()-before)/n, "B/stream")
		for _, ws := range all {
			ws.Close()
		}
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
