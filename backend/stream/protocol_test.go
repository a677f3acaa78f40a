package stream

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"pilothouse/backend/request"
)

// What a client sends is read as it was meant, and whatever it sends is read.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{"", "\x00", "\x00ls\n", "\xff\x00", "0Zm9vCg==", "0Zm9", "4eyJXaWR0aCI6MX0=", "9"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, name := range commandProtocols {
			p := protocolOf(name)
			channel, data, ok := p.open(bytes.NewReader(message))
			if ok != (len(message) > 0) {
				t.Fatalf("%s: %v for %q", name, ok, message)
			}
			if !ok {
				continue
			}
			read, err := io.ReadAll(data)
			if err != nil || channel > 9 {
				continue
			}
			_, framed := p.frame(channel, append([]byte{0}, read...))
			again, data, ok := p.open(bytes.NewReader(framed))
			back, err := io.ReadAll(data)
			if !ok || err != nil || again != channel || !bytes.Equal(back, read) {
				t.Fatalf("%s: %d %q became %d %q, %v", name, channel, read, again, back, err)
			}
		}
	})
}

type headers http.Header

func (h headers) Get(name string) string      { return http.Header(h).Get(name) }
func (h headers) Values(name string) []string { return http.Header(h).Values(name) }
func (h headers) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}

func TestCredentialsStayHere(t *testing.T) {
	r := &request.Request{RemoteAddr: "10.0.0.9:1", Header: headers{
		"Authorization": {"Bearer t"}, "Impersonate-User": {"a"}, "Impersonate-Extra-Scopes": {"b"}, "X-Remote-User": {"c"}, "X-Remote-Extra-A": {"d"},
		"Sec-Websocket-Protocol": {"base64url.bearer.authorization.k8s.io.dG9rZW4, v4.channel.k8s.io"},
		"Cookie":                 {"session"}, "X-Forwarded-For": {"192.0.2.1"}, "Accept": {"a", "b"}, "Host": {"h"}, "Content-Length": {"3"},
	}}
	want := http.Header{"Accept": {"a", "b"}, "Cookie": {"session"}, "Sec-Websocket-Protocol": {"v4.channel.k8s.io"}, "X-Forwarded-For": {"192.0.2.1, 10.0.0.9"}}
	check := func() {
		t.Helper()
		got := forwarded(r)
		for name := range want {
			if !slices.Equal(got[name], want[name]) {
				t.Errorf("%s: %v, want %v", name, got[name], want[name])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%v", got)
		}
	}
	check()
	r.Dashboard = true
	delete(want, "Cookie")
	check()
	r.Dashboard, r.Header.(headers)["Cookie"] = false, []string{"a=b; __Host-pilothouse-6443=secret"}
	check()
	r.Header.(headers)["Cookie"], r.Header.(headers)["Sec-Fetch-Mode"] = []string{"a=b"}, []string{"navigate"}
	want["Sec-Fetch-Mode"] = []string{"navigate"}
	check()
}

func TestPagesOfPodsDoNotActForTheDashboardsUser(t *testing.T) {
	h := http.Header{"Set-Cookie": {"a=b"}, "Connection": {"X-Hop"}, "X-Hop": {"1"}, "X-Kept": {"2"}, "Content-Security-Policy": {"default-src *"}}
	names := func(r *request.Request) (out []string) {
		for _, l := range returned(r, h) {
			out = append(out, l.Name+"="+l.Value)
		}
		slices.Sort(out)
		return out
	}
	if got := names(&request.Request{Header: headers{}}); !slices.Equal(got, []string{"Content-Security-Policy=default-src *", "Set-Cookie=a=b", "X-Kept=2"}) {
		t.Errorf("%v", got)
	}
	for _, r := range []*request.Request{{Dashboard: true}, {Header: headers{"Sec-Fetch-Mode": {"navigate"}}}, {Header: headers{"Cookie": {"__Host-pilothouse-6443=s"}}}} {
		if got := names(r); !slices.Equal(got, []string{"Content-Security-Policy=default-src *", "Content-Security-Policy=sandbox allow-scripts allow-forms", "X-Kept=2"}) {
			t.Errorf("%+v: %v", r, got)
		}
	}
}

func TestADashboardsStreamIsForItsOwnPages(t *testing.T) {
	h := headers{"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Version": {"13"}, "Origin": {"http://evil.example"}, "Host": {"localhost:8080"}}
	r := &request.Request{Method: "GET", Header: h}
	if err := checkHandshake(r); err != nil {
		t.Errorf("with a token of its own: %v", err)
	}
	r.Dashboard = true
	if checkHandshake(r) == nil {
		t.Error("a page of another origin may open a stream")
	}
	h["Origin"] = []string{"http://localhost:8080"}
	if err := checkHandshake(r); err != nil {
		t.Error(err)
	}
}

// trickle gives its pieces one by one.
type trickle struct{ pieces [][]byte }

func (t *trickle) Read(p []byte) (int, error) {
	if len(t.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.pieces[0])
	if t.pieces[0] = t.pieces[0][n:]; len(t.pieces[0]) == 0 {
		t.pieces = t.pieces[1:]
	}
	return n, nil
}

func TestCopyOfPiecesOfAllSizes(t *testing.T) {
	var want []byte
	from := &trickle{}
	for i, size := range []int{1, idleBuffer - 1, idleBuffer, idleBuffer + 1, busyBuffer, 3 * busyBuffer, 5, 200_000, 1} {
		piece := bytes.Repeat([]byte{byte('a' + i)}, size)
		want = append(want, piece...)
		from.pieces = append(from.pieces, piece)
	}
	for _, room := range []int{0, 1} {
		var got []byte
		source := &trickle{slices.Clone(from.pieces)}
		if err := readStream(source, room, func(p []byte) error { got = append(got, p[room:]...); return nil }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d", len(got), len(want))
		}
	}
}

type closer chan struct{}

func (c closer) Close() error { close(c); return nil }

// A response that nobody uses does not hold its backend.
func TestBackendThatIsNeverTakenIsClosed(t *testing.T) {
	old := handover
	handover = time.Millisecond
	defer func() { handover = old }()
	c := make(closer)
	taken(c, nil)
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Error("the backend is still open")
	}
}

// pipe reads what a kubelet sends and forgets what it is sent.
type pipe struct{ io.Reader }

func (pipe) Write(p []byte) (int, error) { return len(p), nil }
func (pipe) Close() error                { return nil }

// Whatever a kubelet sends, reading it ends.
func FuzzKubeletFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03\x01\x00\x00\x02hi\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x05"))
	f.Add([]byte("\x80\x03\x00\x03\x00\x00\x00\x02\x00\x00"))
	f.Add([]byte("\x80\x03\x00\x02\x00\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := newSPDYConn(pipe{bytes.NewReader(sent)})
		for range len(sent) + 1 {
			frame, err := c.next()
			if err != nil {
				return
			}
			if frame.length < 0 || frame.length > 0xffffff || frame.stream>>31 != 0 {
				t.Fatalf("%+v", frame)
			}
			if _, err := c.r.Discard(frame.length); err != nil {
				return
			}
		}
		t.Fatal("there is no end")
	})
}
