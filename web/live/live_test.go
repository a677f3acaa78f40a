package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/server"

	"github.com/fasthttp/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

type headers map[string]string

func (h headers) Get(name string) string { return h[strings.ToLower(name)] }
func (h headers) Values(name string) []string {
	if v := h.Get(name); v != "" {
		return []string{v}
	}
	return nil
}
func (h headers) Each(f func(name, value string)) {
	for k, v := range h {
		f(k, v)
	}
}

// counter is a subscription that counts what happens to it.
type counter struct {
	n      atomic.Int64
	sent   int64
	moved  atomic.Int64
	closed atomic.Int64
	wake   func()
	pad    string
}

func (c *counter) Next() ([]byte, error) {
	n := c.n.Load()
	if n == c.sent {
		return nil, nil
	}
	c.sent = n
	return []byte(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, c.pad)), nil
}
func (c *counter) Move(from, _ int, _ string) { c.moved.Store(int64(from)); c.n.Add(1) }
func (c *counter) Close()                     { c.closed.Add(1) }
func (c *counter) add()                       { c.n.Add(1); c.wake() }

// dial connects a browser to a tab.
func dial(t *testing.T, tab Tab) *websocket.Conn {
	t.Helper()
	s := server.New(server.Options{Handler: func(_ context.Context, r *request.Request) (*request.Response, error) { return Accept(r, tab) }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.ServeDashboard(l) //nolint:errcheck // ends with Shutdown
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String()+"/ui/live", http.Header{"Origin": {"http://" + l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func always() bool { return true }

func tell(t *testing.T, conn *websocket.Conn, r Request) {
	t.Helper()
	if err := conn.WriteJSON(r); err != nil {
		t.Fatal(err)
	}
}

type message struct {
	ID    int
	N     int64
	Error any
}

func next(t *testing.T, conn *websocket.Conn) message {
	t.Helper()
	var m message
	conn.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // a test
	if err := conn.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestATabFollowsWhatItOpened(t *testing.T) {
	c := &counter{}
	conn := dial(t, Tab{Alive: always, Open: func(_ context.Context, r Request, wake func()) (Subscription, error) {
		c.wake = wake
		c.n.Store(int64(r.From))
		return c, nil
	}, Explain: func(err error) any { return err.Error() }})
	tell(t, conn, Request{Do: "open", ID: 7, From: 3, Size: 10})
	if m := next(t, conn); m.ID != 7 || m.N != 3 {
		t.Errorf("got %+v", m)
	}
	for range 1000 {
		c.add()
	}
	got, messages := int64(0), 0
	for got != 1003 {
		got = next(t, conn).N
		messages++
	}
	if messages > 100 {
		t.Errorf("%d messages for 1000 changes", messages)
	}
	tell(t, conn, Request{Do: "move", ID: 7, From: 40, Size: 10})
	if m := next(t, conn); m.N != 1004 || c.moved.Load() != 40 {
		t.Errorf("got %+v, moved to %d", m, c.moved.Load())
	}
	tell(t, conn, Request{Do: "open", ID: 7, From: 5})
	if m := next(t, conn); m.N != 5 || c.closed.Load() != 1 {
		t.Errorf("got %+v, closed %d", m, c.closed.Load())
	}
}

func TestWhyNothingCanBeShownIsTold(t *testing.T) {
	conn := dial(t, Tab{Alive: always, Explain: func(err error) any { return err.Error() }, Open: func(_ context.Context, r Request, _ func()) (Subscription, error) {
		if r.URL == "good" {
			return &counter{}, nil
		}
		return nil, errors.New("no right")
	}})
	tell(t, conn, Request{Do: "open", ID: 1})
	if m := next(t, conn); m.Error != "no right" {
		t.Errorf("got %+v", m)
	}
	for i := range maxSubscriptions {
		tell(t, conn, Request{Do: "open", ID: 10 + i, URL: "good"})
	}
	tell(t, conn, Request{Do: "open", ID: 99, URL: "good"})
	if m := next(t, conn); m.ID != 99 || m.Error != errTooMany.Error() {
		t.Errorf("got %+v", m)
	}
}

func TestATabMayAskWhetherTheServerIsThere(t *testing.T) {
	conn := dial(t, Tab{Alive: always})
	tell(t, conn, Request{Do: "ping"})
	conn.SetReadDeadline(time.Now().Add(30 * time.Second)) //nolint:errcheck // a test
	if _, m, err := conn.ReadMessage(); err != nil || string(m) != `{"id":0,"pong":true}` {
		t.Errorf("got %s %v", m, err)
	}
}

func TestASocketEndsWithItsSession(t *testing.T) {
	done := make(chan struct{})
	endsWith(t, Tab{Done: done}, done, closeSession)
}

// Who acts as someone else connects anew, as them.
func TestASocketEndsWithItsIdentity(t *testing.T) {
	changed := make(chan struct{})
	endsWith(t, Tab{Changed: changed}, changed, closeIdentity)
}

func endsWith(t *testing.T, tab Tab, end chan struct{}, code int) {
	t.Helper()
	c := &counter{}
	conn := dial(t, Tab{Alive: always, Done: tab.Done, Changed: tab.Changed, Explain: func(err error) any { return err.Error() },
		Open: func(context.Context, Request, func()) (Subscription, error) { c.n.Store(1); return c, nil }})
	tell(t, conn, Request{Do: "open", ID: 1})
	next(t, conn)
	close(end)
	conn.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // a test
	_, _, err := conn.ReadMessage()
	if !websocket.IsCloseError(err, code) {
		t.Errorf("got %v", err)
	}
}

// Whoever sends nonsense is put off; nothing stays open.
func TestNonsenseEndsTheSocket(t *testing.T) {
	for _, text := range []string{"{", `{"do":"open","id":"x"}`, strings.Repeat("x", 2*maxMessage)} {
		c := &counter{}
		c.n.Store(1)
		conn := dial(t, Tab{Alive: always, Explain: func(err error) any { return err.Error() },
			Open: func(context.Context, Request, func()) (Subscription, error) { return c, nil }})
		tell(t, conn, Request{Do: "open", ID: 1})
		next(t, conn)
		conn.WriteMessage(websocket.TextMessage, []byte(text)) //nolint:errcheck // it may be cut off in the middle
		conn.SetReadDeadline(time.Now().Add(time.Minute))      //nolint:errcheck // a test
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				break
			}
		}
		for deadline := time.Now().Add(time.Minute); c.closed.Load() != 1; {
			if time.Now().After(deadline) {
				t.Fatal("the subscription stays open")
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A tab that reads nothing costs less than 1 MB, however much happens, and gets
// what there is now when it reads again.
func TestASlowTabCostsNothing(t *testing.T) {
	c := &counter{pad: strings.Repeat("x", 100<<10)}
	conn := dial(t, Tab{Alive: always, Explain: func(err error) any { return err.Error() },
		Open: func(_ context.Context, _ Request, wake func()) (Subscription, error) {
			c.wake = wake
			c.n.Store(1)
			return c, nil
		}})
	if err := conn.UnderlyingConn().(*net.TCPConn).SetReadBuffer(64 << 10); err != nil { // what the client keeps is not the server's
		t.Fatal(err)
	}
	tell(t, conn, Request{Do: "open", ID: 1})
	next(t, conn)
	before := inUse()
	stop := time.Now().Add(2 * time.Second)
	for time.Now().Before(stop) || c.n.Load() < 1000 {
		c.add()
		time.Sleep(100 * time.Microsecond)
	}
	if grown := int64(inUse()) - int64(before); grown > 1<<20 {
		t.Errorf("the server holds %d KB for it", grown>>10)
	}
	total := c.n.Load()
	for kept := 0; ; kept += len(c.pad) {
		if next(t, conn).N == total {
			break
		}
		if kept > 1<<20 {
			t.Fatal("more than 1 MB of what was missed was kept")
		}
	}
}

func TestOnlyPagesOfThisOriginMayConnect(t *testing.T) {
	f := func(origin string, want bool) {
		t.Helper()
		r := &request.Request{Method: "GET", Header: headers{
			"host": "127.0.0.1:8080", "origin": origin, "upgrade": "websocket", "connection": "Upgrade",
			"sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
		}}
		_, err := Accept(r, Tab{})
		if (err == nil) != want || err != nil && !apierrors.IsForbidden(err) {
			t.Errorf("%q: %v", origin, err)
		}
	}
	f("http://127.0.0.1:8080", true)
	f("https://127.0.0.1:8080", false)
	f("http://127.0.0.1:8081", false)
	f("http://evil.example", false)
	f("null", false)
	f("", false)
}

func TestOnlyHandshakesAreTaken(t *testing.T) {
	good := headers{
		"host": "h", "origin": "http://h", "upgrade": "websocket", "connection": "keep-alive, Upgrade",
		"sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
	}
	if _, err := Accept(&request.Request{Method: "GET", Header: good}, Tab{}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"upgrade", "connection", "sec-websocket-version", "sec-websocket-key"} {
		bad := headers{}
		for k, v := range good {
			bad[k] = v
		}
		bad[name] = "x"
		if _, err := Accept(&request.Request{Method: "GET", Header: bad}, Tab{}); !apierrors.IsBadRequest(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequestsAreReadAsTheyAreWritten(t *testing.T) {
	var r Request
	if err := json.Unmarshal([]byte(`{"do":"open","id":1,"kind":"list","url":"/u","from":2,"size":3,"anchor":"a","have":["u 1"],"shape":"s"}`), &r); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(r) != "{open 1 list /u 2 3 a [u 1] s}" {
		t.Errorf("got %v", r)
	}
}
