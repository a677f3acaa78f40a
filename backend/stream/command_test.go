package stream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/stream"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

func (f *fixture) webSocket(path string, protocols ...string) *websocket.Conn {
	f.t.Helper()
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	for _, p := range protocols {
		if p != "" {
			d.Subprotocols = append(d.Subprotocols, p)
		}
	}
	ws, resp, err := d.Dial("wss://"+f.host+path, http.Header{"Authorization": {"Bearer admin"}})
	if err != nil {
		text := ""
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			text = string(b)
		}
		f.t.Fatalf("%s: %v %s", path, err, text)
	}
	f.t.Cleanup(func() { ws.Close() })
	must(f.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	return ws
}

// executors are the ways in which clients of Kubernetes run a command.
func (f *fixture) executors(path string) map[string]remotecommand.Executor {
	f.t.Helper()
	spdy, err := remotecommand.NewSPDYExecutor(f.config("admin"), "POST", f.link(path))
	must(f.t, err)
	v5, err := remotecommand.NewWebSocketExecutor(f.config("admin"), "GET", f.url+path)
	must(f.t, err)
	v4, err := remotecommand.NewWebSocketExecutorForProtocols(f.config("admin"), "GET", f.url+path, "v4.channel.k8s.io")
	must(f.t, err)
	return map[string]remotecommand.Executor{"SPDY": spdy, "v5": v5, "v4": v4}
}

const execPath = "/api/v1/namespaces/ns/pods/one/exec?"

func TestCommandGivesItsOutputAndItsExitCode(t *testing.T) {
	f := start(t)
	for name, e := range f.executors(execPath + "command=fail&stdout=true&stderr=true") {
		var out, errOut bytes.Buffer
		err := e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut})
		var code exec.CodeExitError
		if !errors.As(err, &code) || code.Code != 3 || errOut.String() != "no\n" || out.Len() > 0 {
			t.Errorf("%s: %v, out %q, err %q", name, err, out.String(), errOut.String())
		}
	}
}

func TestCommandReadsItsInputToTheEnd(t *testing.T) {
	f := start(t)
	input := strings.Repeat("0123456789abcdef", 1<<16)
	for name, e := range f.executors(execPath + "command=cat&stdin=true&stdout=true") {
		if name == "v4" {
			continue // has no end of the input
		}
		var out bytes.Buffer
		err := e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdin: strings.NewReader(input), Stdout: &out})
		if err != nil || out.String() != input {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
}

func TestCommandSaysMuch(t *testing.T) {
	f := start(t)
	for name, e := range f.executors(execPath + "command=much&stdout=true") {
		var out bytes.Buffer
		err := e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: &out})
		if err != nil || out.Len() != 16<<17 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
}

type oneSize struct{ given bool }

func (s *oneSize) Next() *remotecommand.TerminalSize {
	if s.given {
		return nil
	}
	s.given = true
	return &remotecommand.TerminalSize{Width: 120, Height: 40}
}

func TestTerminalIsResized(t *testing.T) {
	f := start(t)
	for name, e := range f.executors(execPath + "command=size&stdout=true&stderr=true&tty=true") {
		var out bytes.Buffer
		err := e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: &out, Tty: true, TerminalSizeQueue: &oneSize{}})
		if err != nil || out.String() != "120x40" {
			t.Errorf("%s: %v %q", name, err, out.String())
		}
	}
}

func TestVanishedClientFreesTheNode(t *testing.T) {
	f := start(t)
	for name, e := range f.executors(execPath + "command=wait&stdin=true&stdout=true") {
		ctx, cancel := context.WithCancel(context.Background())
		in, never := io.Pipe()
		done := make(chan error, 1)
		out := &signal{first: make(chan struct{})}
		go func() { done <- e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out}) }()
		await(t, "the command's word over "+name, out.first)
		cancel()
		<-done
		never.Close()
		await(t, "the end of the command over "+name, f.kubelet.freed)
	}
}

// signal tells of the first write.
type signal struct{ first chan struct{} }

func (s *signal) Write(p []byte) (int, error) {
	select {
	case <-s.first:
	default:
		close(s.first)
	}
	return len(p), nil
}

func TestReaderMayNotOpenAWebSocket(t *testing.T) {
	f := start(t)
	e, err := remotecommand.NewWebSocketExecutor(f.config("reader"), "GET", f.url+execPath+"command=cat&stdout=true")
	must(t, err)
	err = e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: io.Discard})
	if err == nil || !strings.Contains(err.Error(), `pods "one" is forbidden: no rule for it`) {
		t.Errorf("%v", err)
	}
}

func TestTroubleWithTheNodeComesOverTheErrorChannel(t *testing.T) {
	f := start(t)
	check := func(path, want string) {
		t.Helper()
		e, err := remotecommand.NewWebSocketExecutor(f.config("admin"), "GET", f.url+path)
		must(t, err)
		err = e.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdin: strings.NewReader("unread"), Stdout: io.Discard})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	check("/api/v1/namespaces/ns/pods/off/exec?command=ls&stdin=true&stdout=true", "dial tcp 127.0.0.1:1: connect: connection refused")
	check(execPath+"command=refuse&stdin=true&stdout=true", "unable to upgrade connection: container not running")
	check(execPath+"command=lost&stdin=true&stdout=true", "the connection to the node was lost")
}

// read gives the messages until the socket ends, without empty ones.
func read(t testing.TB, ws *websocket.Conn) (messages []string) {
	t.Helper()
	for {
		_, p, err := ws.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				t.Errorf("the socket ended by %v", err)
			}
			return messages
		}
		if len(p) > 1 {
			messages = append(messages, string(p))
		}
	}
}

func TestOldWebSocketProtocols(t *testing.T) {
	f := start(t)
	check := func(protocol, command string, want ...string) {
		t.Helper()
		got := read(t, f.webSocket(execPath+"stdout=true&stderr=true&command="+command, protocol))
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q", protocol, got, want)
		}
	}
	check("", "fail", "\x02no\n", "\x03command terminated with non-zero exit code")
	check("channel.k8s.io", "fail", "\x02no\n", "\x03command terminated with non-zero exit code")
	check("base64.channel.k8s.io", "fail", "2bm8K", "3Y29tbWFuZCB0ZXJtaW5hdGVkIHdpdGggbm9uLXplcm8gZXhpdCBjb2Rl")
	check("v4.channel.k8s.io", "none", "\x03"+`{"metadata":{},"status":"Success"}`)
}

func TestBase64Input(t *testing.T) {
	f := start(t)
	ws := f.webSocket(execPath+"stdin=true&stdout=true&command=cat", "v4.base64.channel.k8s.io")
	must(t, ws.WriteMessage(websocket.TextMessage, []byte("0Zm9vCg==")))
	for {
		_, p, err := ws.ReadMessage()
		must(t, err)
		if len(p) > 1 {
			if string(p) != "1Zm9vCg==" {
				t.Errorf("%q", p)
			}
			return
		}
	}
}

// Channels that were not asked for, unknown ones and empty messages are dropped.
func TestOddMessagesDoNoHarm(t *testing.T) {
	f := start(t)
	ws := f.webSocket(execPath+"stdin=true&stdout=true&command=cat", "v5.channel.k8s.io")
	for _, m := range []string{"", "\x00", "\x04{", "\x03x", "\x09y", "\xff", "\xff\x07", "\xff\x01", "\x00ok", "\xff\x00"} {
		must(t, ws.WriteMessage(websocket.BinaryMessage, []byte(m)))
	}
	if got := strings.Join(read(t, ws), "|"); got != "\x01ok|\x03"+`{"metadata":{},"status":"Success"}` {
		t.Errorf("%q", got)
	}
}

func TestIdleWebSocketIsPinged(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.PingInterval = 5 * time.Millisecond })
	ws := f.webSocket(execPath+"stdin=true&stdout=true&command=cat", "v5.channel.k8s.io")
	pings := make(chan struct{}, 100)
	ws.SetPingHandler(func(string) error { pings <- struct{}{}; return nil })
	go func() {
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}()
	await(t, "a ping", pings)
	await(t, "a second ping", pings)
}

func TestTooLargeMessageEndsTheCommand(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.MaxMessage = 64 << 10 })
	ws := f.webSocket(execPath+"stdin=true&stdout=true&command=cat", "v5.channel.k8s.io")
	go func() {
		w, err := ws.NextWriter(websocket.BinaryMessage)
		piece := make([]byte, 4<<10)
		for i := 0; err == nil && i < 20; i++ {
			_, err = w.Write(piece)
		}
	}()
	for {
		_, _, err := ws.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
			return
		}
		must(t, err)
	}
}
