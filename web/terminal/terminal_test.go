package terminal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	"github.com/fasthttp/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// api answers exec: run gets the command and the streams.
type api struct {
	run   func(command []string, s *streams) (status string)
	deny  bool
	mu    sync.Mutex
	asked []string
}

// streams are the API's end of a command.
type streams struct {
	ws    request.Socket
	input chan []byte // channel and data
}

func (s *streams) say(text string) {
	_ = s.ws.WriteMessage(websocket.BinaryMessage, append([]byte{channelStdout}, text...))
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

func (a *api) serve(_ context.Context, r *request.Request) (*request.Response, error) {
	a.mu.Lock()
	a.asked = append(a.asked, r.Path+"?"+r.RawQuery)
	a.mu.Unlock()
	if a.deny {
		return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods/exec"}, "p", fmt.Errorf("no rule"))
	}
	command := r.Query()["command"]
	return &request.Response{WebSocket: &request.WebSocket{Protocol: protocol, Serve: func(_ context.Context, ws request.Socket) {
		s := &streams{ws: ws, input: make(chan []byte, 100)}
		go func() {
			defer close(s.input)
			for {
				_, p, err := ws.ReadMessage()
				if err != nil {
					return
				}
				s.input <- p
			}
		}()
		if status := a.run(command, s); status != "" {
			_ = ws.WriteMessage(websocket.BinaryMessage, append([]byte{channelError}, status...))
		}
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		for range s.input {
		}
	}}}, nil
}

const success = `{"status":"Success"}`

func failure(code int) string {
	return fmt.Sprintf(`{"status":"Failure","reason":"NonZeroExitCode","message":"no","details":{"causes":[{"reason":"ExitCode","type":"ExitCode","message":"%d"}]}}`, code)
}

// echo says what is typed until the input ends.
func echo(_ []string, s *streams) string {
	for p := range s.input {
		if p[0] == channelStdin {
			s.say(string(p[1:]))
		}
	}
	return success
}

// browser is the other end of a terminal's socket.
type browser struct {
	t    *testing.T
	ws   *websocket.Conn
	seen bytes.Buffer
}

func (f *fixture) browse(k *Terminal, offset int64) *browser {
	f.t.Helper()
	return f.look(k, Look{Offset: offset})
}

func (f *fixture) look(k *Terminal, look Look) *browser {
	f.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		f.table.Serve(context.Background(), k, ws, look, f.alive)
	}))
	f.t.Cleanup(server.Close)
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { ws.Close() })
	return &browser{t: f.t, ws: ws}
}

// until reads until a message is about what is wanted.
func (b *browser) until(what string, done func(text map[string]json.RawMessage) bool) map[string]json.RawMessage {
	b.t.Helper()
	_ = b.ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		kind, p, err := b.ws.ReadMessage()
		if err != nil {
			b.t.Fatalf("waited in vain for %s: %v; saw %q", what, err, b.seen.String())
		}
		var m map[string]json.RawMessage
		if kind == websocket.BinaryMessage {
			b.seen.Write(p)
		} else if json.Unmarshal(p, &m) != nil {
			b.t.Fatalf("got %s", p)
		}
		if done(m) {
			return m
		}
	}
}

func (b *browser) sees(text string) {
	b.t.Helper()
	if !strings.Contains(b.seen.String(), text) {
		b.until(text, func(map[string]json.RawMessage) bool { return strings.Contains(b.seen.String(), text) })
	}
}

func (b *browser) outcome() Outcome {
	b.t.Helper()
	m := b.until("the end", func(m map[string]json.RawMessage) bool { return m["ended"] != nil })
	var o Outcome
	if err := json.Unmarshal(m["ended"], &o); err != nil {
		b.t.Fatal(err)
	}
	return o
}

func (b *browser) types(text string) {
	b.t.Helper()
	if err := b.ws.WriteMessage(websocket.BinaryMessage, []byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) says(m string) {
	b.t.Helper()
	if err := b.ws.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
		b.t.Fatal(err)
	}
}

type fixture struct {
	t     *testing.T
	api   *api
	table *Table
	done  chan struct{}
}

func start(t *testing.T, run func(command []string, s *streams) string) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &fixture{t: t, api: &api{run: run}, table: New(ctx), done: make(chan struct{})}
	t.Cleanup(func() { cancel(); f.table.Wait() })
	return f
}

func (f *fixture) open(target Target) *Terminal {
	f.t.Helper()
	c := client.New(f.api.serve, &request.User{Name: "ann"}, "test")
	k, err := f.table.Open(c, f.owner("session"), target)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// alive tells whether the session goes on.
func (f *fixture) alive() bool {
	select {
	case <-f.done:
		return false
	default:
		return true
	}
}

func (f *fixture) owner(session string) Owner {
	return Owner{Session: session, User: "ann", Done: f.done}
}

// has tells whether a terminal is an owner's.
func (f *fixture) has(o Owner, k *Terminal) bool {
	f.t.Helper()
	found, err := f.table.Find(o, k.ID)
	if err != nil && err != ErrOther { //nolint:errorlint // it is this one
		f.t.Error(err)
	}
	return found == k
}

var target = Target{Namespace: "ns", Pod: "p", Container: "c"}

func TestAShellIsTypedInto(t *testing.T) {
	f := start(t, echo)
	b := f.browse(f.open(target), -1)
	b.types("hello")
	b.sees("hello")
	b.says(`{"ping":true}`)
	b.until("a sign of life", func(m map[string]json.RawMessage) bool { return m["pong"] != nil })
	if got := f.api.asked[0]; !strings.HasPrefix(got, "/api/v1/namespaces/ns/pods/p/exec?command=sh&command=-c&") || !strings.HasSuffix(got, "container=c&stderr=false&stdin=true&stdout=true&tty=true") {
		t.Errorf("asked for %s", got)
	}
}

func TestTheSizeIsTold(t *testing.T) {
	sizes := make(chan string, 10)
	f := start(t, func(_ []string, s *streams) string {
		for p := range s.input {
			if p[0] == channelResize {
				sizes <- string(p[1:])
			}
		}
		return success
	})
	b := f.browse(f.open(target), -1)
	b.says(`{"size":[100,40]}`)
	if got := <-sizes; got != `{"Width":100,"Height":40}` {
		t.Errorf("got %s", got)
	}
}

func TestTheExitCodeIsTold(t *testing.T) {
	f := start(t, func(_ []string, s *streams) string { s.say("bye"); return failure(3) })
	b := f.browse(f.open(target), -1)
	if o := b.outcome(); o.Code != 3 || b.seen.String() != "bye" {
		t.Errorf("got %+v after %q", o, b.seen.String())
	}
}

func TestShellsAreTriedWithoutANoise(t *testing.T) {
	f := start(t, func(command []string, s *streams) string {
		switch command[0] {
		case "ash":
			return echo(nil, s)
		case "bash":
			s.say(`exec failed: "bash": executable file not found in $PATH`)
			return failure(127)
		}
		return `{"status":"Failure","reason":"InternalError","message":"exec: \"sh\": executable file not found in $PATH"}`
	})
	k := f.open(target)
	b := f.browse(k, -1)
	for end := time.Now().Add(30 * time.Second); f.api.count() < 3 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	b.types("Z")
	b.sees("Z")
	if s := b.seen.String(); s != "Z" && !strings.HasSuffix(s, "\x1bcZ") {
		t.Errorf("saw %q", s)
	}
	none := start(t, func([]string, *streams) string {
		return `{"status":"Failure","reason":"InternalError","message":"executable file not found in $PATH"}`
	})
	if o := none.browse(none.open(target), -1).outcome(); !o.NoShell {
		t.Errorf("got %+v", o)
	}
	denied := start(t, nil)
	denied.api.deny = true
	o := denied.browse(denied.open(target), -1).outcome()
	if o.NoShell || !strings.Contains(o.Message, "no rule") || len(denied.api.asked) != 1 {
		t.Errorf("got %+v, asked %v", o, denied.api.asked)
	}
}

// What a browser has not seen waits, and comes when it looks again.
func TestNoByteIsLostWhenABrowserComesBack(t *testing.T) {
	const total = 3 << 20
	said := make(chan struct{})
	f := start(t, func(_ []string, s *streams) string {
		piece := strings.Repeat("0123456789abcdef", 256)
		for range total / len(piece) {
			s.say(piece)
		}
		close(said)
		return success
	})
	k := f.open(target)
	b := f.browse(k, -1)
	b.until("some", func(map[string]json.RawMessage) bool { return b.seen.Len() >= window/2 })
	b.ws.Close()
	select {
	case <-said:
		t.Error("the command did not wait for its browser")
	case <-time.After(100 * time.Millisecond):
	}
	k.mu.Lock()
	if len(k.out) > maxHeld+2*maxTail+piece {
		t.Errorf("%d bytes are kept", len(k.out))
	}
	k.mu.Unlock()
	again := f.browse(k, int64(b.seen.Len()))
	all := b.seen.Len()
	for next := 0; ; {
		m := again.until("the rest", func(map[string]json.RawMessage) bool { return true })
		if m["ended"] != nil {
			break
		}
		if now := all + again.seen.Len(); now-next > window/4 {
			next = now
			_ = again.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"ack":%d}`, now))
		}
	}
	whole := b.seen.String() + again.seen.String()
	if len(whole) != total || whole != strings.Repeat("0123456789abcdef", total/16) {
		t.Errorf("%d bytes of %d", len(whole), total)
	}
}

func (b *browser) hello() hello {
	b.t.Helper()
	m := b.until("hello", func(m map[string]json.RawMessage) bool { return m["id"] != nil })
	var h hello
	if json.Unmarshal(m["typed"], &h.Typed) != nil || m["same"] != nil && json.Unmarshal(m["same"], &h.Same) != nil {
		b.t.Fatalf("got %s", m)
	}
	return h
}

func TestABrowserLearnsWhatOfItsTypingArrived(t *testing.T) {
	f := start(t, echo)
	k := f.open(target)
	b := f.look(k, Look{Offset: -1, Page: "a"})
	if h := b.hello(); h.Typed != 0 || h.Same {
		t.Errorf("a new terminal says %+v", h)
	}
	b.types("one")
	b.sees("one")
	b.types("two")
	b.says(`{"ping":true}`)
	m := b.until("a sign of life", func(m map[string]json.RawMessage) bool { return m["pong"] != nil })
	if string(m["typed"]) != "6" {
		t.Errorf("%s bytes were typed", m["typed"])
	}
	if h := f.look(k, Look{Offset: 3, Page: "a"}).hello(); h.Typed != 6 || !h.Same {
		t.Errorf("the page that comes back is told %+v", h)
	}
	if h := f.look(k, Look{Offset: 3, Page: "b"}).hello(); h.Typed != 6 || h.Same {
		t.Errorf("another page is told %+v", h)
	}
	if h := f.look(k, Look{Offset: 3, Page: "a"}).hello(); h.Same {
		t.Error("what was typed in another page is taken for this one's")
	}
}

func TestEveryByteThatIsTypedArrivesOnce(t *testing.T) {
	var got bytes.Buffer
	f := start(t, func(_ []string, s *streams) string {
		for p := range s.input {
			if p[0] == channelStdin {
				got.Write(p[1:])
				if bytes.HasSuffix(p, []byte(".")) {
					return success
				}
			}
		}
		return ""
	})
	k := f.open(target)
	var whole strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&whole, "%d ", i)
	}
	whole.WriteString(".")
	// Each page types a part and is taken from by the next, which goes on with what
	// has not arrived.
	text := whole.String()
	for i := 0; ; i++ {
		b := f.look(k, Look{Offset: -1, Page: "a"})
		at := int(b.hello().Typed)
		if i == 10 {
			b.types(text[at:])
			b.outcome()
			break
		}
		for end := min(at+300, len(text)-1); at < end; at += 3 {
			b.types(text[at:min(at+3, end)])
		}
	}
	if got.String() != text {
		t.Errorf("%d bytes arrived of %d", got.Len(), len(text))
	}
}

func TestACommandThatReadsNothingIsNotTakenForDead(t *testing.T) {
	end := make(chan struct{})
	f := start(t, func([]string, *streams) string { <-end; return success })
	defer close(end)
	b := f.browse(f.open(target), -1)
	b.hello()
	piece := strings.Repeat("x", 64<<10)
	full := make(chan struct{})
	go func() {
		defer close(full)
		for b.ws.WriteMessage(websocket.BinaryMessage, []byte(piece)) == nil {
		}
	}()
	b.until("a sign of life", func(m map[string]json.RawMessage) bool { return m["pong"] != nil })
	b.ws.Close()
	<-full
}

func TestAPageThatIsLoadedAgainSeesWhatThereWas(t *testing.T) {
	f := start(t, echo)
	k := f.open(target)
	b := f.browse(k, -1)
	b.types("before")
	b.sees("before")
	b.says(`{"ack":6}`)
	again := f.browse(k, -1)
	again.sees("before")
	_ = b.ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, _, err := b.ws.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, closeTaken) {
				t.Errorf("got %v", err)
			}
			break
		}
	}
	again.types(" after")
	again.sees("before after")
}

func TestATerminalEndsWithItsSessionAndWhenNobodyLooks(t *testing.T) {
	ended := make(chan struct{}, 2)
	f := start(t, func(c []string, s *streams) string { defer func() { ended <- struct{}{} }(); return echo(c, s) })
	k := f.open(target)
	f.browse(k, -1).until("hello", func(m map[string]json.RawMessage) bool { return m["id"] != nil })
	if f.has(f.owner("another session"), k) || !f.has(f.owner("session"), k) {
		t.Error("a terminal is its session's")
	}
	if o := f.owner("session"); f.has(Owner{Session: o.Session, User: o.User, As: "bob"}, k) {
		t.Error("a terminal is there for who the session acts as meanwhile")
	}
	close(f.done)
	<-ended
	other := start(t, func(c []string, s *streams) string { defer func() { ended <- struct{}{} }(); return echo(c, s) })
	left := other.open(target)
	if n := len(other.table.forgotten(time.Now())); n != 0 {
		t.Errorf("%d are forgotten at once", n)
	}
	for _, k := range other.table.forgotten(time.Now().Add(2 * grace)) {
		other.table.Close(k)
	}
	<-left.done
	if other.table.Len() != 0 {
		t.Error("it is there still")
	}
}

// A session that expires leaves its terminals to the next one of the same user.
func TestATerminalGoesOnAfterANewLogin(t *testing.T) {
	ended := make(chan struct{}, 1)
	f := start(t, func(c []string, s *streams) string { defer func() { ended <- struct{}{} }(); return echo(c, s) })
	c := client.New(f.api.serve, &request.User{Name: "ann"}, "test")
	first := f.owner("session")
	first.Expired = func() bool { return true }
	k, err := f.table.Open(c, first, target)
	if err != nil {
		t.Fatal(err)
	}
	f.browse(k, -1).until("hello", func(m map[string]json.RawMessage) bool { return m["id"] != nil })
	second := Owner{Session: "next session", User: "ann", Done: make(chan struct{})}
	if f.has(second, k) {
		t.Error("it is another session's while the first one goes on")
	}
	close(f.done)
	for deadline := time.Now().Add(time.Minute); !f.has(second, k); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not the next session's")
		}
		if f.has(Owner{Session: "of another", User: "bob"}, k) || f.has(Owner{Session: second.Session, User: "ann", As: "bob"}, k) {
			t.Fatal("it is somebody else's")
		}
	}
	if f.has(Owner{Session: "one more", User: "ann"}, k) {
		t.Error("it is everybody's of that name")
	}
	done := make(chan struct{})
	third, err := f.table.Open(c, Owner{Session: "x", User: "ann", Done: done}, target)
	if err != nil {
		t.Fatal(err)
	}
	close(done) // not by its age
	<-third.done
}

// Whoever looks when the session ends is told so, also when the command is gone
// before anything else is known.
func TestABrowserLearnsThatTheSessionEnded(t *testing.T) {
	f := start(t, echo)
	k := f.open(target)
	b := f.browse(k, -1)
	b.until("the hello", func(m map[string]json.RawMessage) bool { return m["id"] != nil })
	close(f.done)
	_ = b.ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, p, err := b.ws.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, closeSession) {
				t.Errorf("it was closed with %v", err)
			}
			return
		} else if bytes.Contains(p, []byte("ended")) {
			t.Fatalf("it was told %s", p)
		}
	}
}

func TestTerminalsAreBounded(t *testing.T) {
	f := start(t, echo)
	for range mostOfSession {
		f.open(target)
	}
	c := client.New(f.api.serve, &request.User{Name: "ann"}, "test")
	if _, err := f.table.Open(c, f.owner("session"), target); err != ErrTooMany { //nolint:errorlint // it is this one
		t.Errorf("got %v", err)
	}
	if _, err := f.table.Open(c, f.owner("other"), target); err != nil {
		t.Error(err)
	}
}

func TestNonsenseEndsTheSocketButNotTheShell(t *testing.T) {
	f := start(t, echo)
	k := f.open(target)
	for _, m := range []string{"{", `{"size":[-1,2]}`, `{"ack":"x"}`} {
		b := f.browse(k, -1)
		b.says(m)
		_ = b.ws.SetReadDeadline(time.Now().Add(30 * time.Second))
		for {
			if _, _, err := b.ws.ReadMessage(); err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as it comes
					t.Errorf("%s is taken", m)
				}
				break
			}
		}
	}
	for _, m := range []string{`{"ack":99999}`, `{"ack":-5}`, `{"size":[0,0]}`, `{}`} {
		b := f.browse(k, -1)
		b.says(m)
		b.types("x")
		b.sees("x")
	}
}
