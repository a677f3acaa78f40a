package live

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/server"
)

// BenchmarkIdleTab tells what a tab that waits costs the server: all memory of
// the process that the connection adds, stacks too, and what its raw client
// holds, which is a file and nothing else.
func BenchmarkIdleTab(b *testing.B) {
	const tabs = 500
	open := idle(b)
	for b.Loop() {
		before, all := inUse(), make([]net.Conn, 0, tabs)
		for range tabs {
			all = append(all, open())
		}
		b.ReportMetric(float64(inUse()-before)/tabs, "B/tab")
		for _, c := range all {
			c.Close()
		}
	}
}

// TestAnIdleTabIsCheap holds a bound on the same, and no goroutine stays when
// the tabs have gone.
func TestAnIdleTabIsCheap(t *testing.T) {
	const tabs, most = 200, 64 << 10
	open := idle(t)
	before, running := inUse(), runtime.NumGoroutine()
	var all []net.Conn
	for range tabs {
		all = append(all, open())
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() < running+tabs; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines for %d tabs: are they there?", runtime.NumGoroutine()-running, tabs)
		}
	}
	if each := (int64(inUse()) - int64(before)) / tabs; each > most {
		t.Errorf("an idle tab costs %d bytes, more than %d", each, most)
	}
	for _, c := range all {
		c.Close()
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > running+5; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines stay of %d tabs", runtime.NumGoroutine()-running, tabs)
		}
	}
}

// idle gives what opens one more tab that waits.
func idle(b testing.TB) func() net.Conn {
	b.Helper()
	s := server.New(server.Options{Handler: func(_ context.Context, r *request.Request) (*request.Response, error) {
		return Accept(r, Tab{Alive: func() bool { return true }})
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.ServeDashboard(l)                                 //nolint:errcheck // ends with Shutdown
	b.Cleanup(func() { s.Shutdown(context.Background()) }) //nolint:errcheck // a test
	open := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /ui/live HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: session=%064d; begun=1\r\n"+
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"+
			"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n"+
			"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", 7)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
			b.Fatal(answer, err)
		}
		return conn
	}
	first := open()
	b.Cleanup(func() { first.Close() })
	return open
}

func inUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
