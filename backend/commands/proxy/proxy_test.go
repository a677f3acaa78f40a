package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

func defaults(host string) Options {
	return Options{
		Config: &rest.Config{Host: host, BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{Insecure: true}}, APIPrefix: "/", StaticPrefix: "/static/",
		AcceptHosts: DefaultAcceptHosts, AcceptPaths: DefaultAcceptPaths, RejectPaths: DefaultRejectPaths, RejectMethods: DefaultRejectMethods,
	}
}

// backend says what it was asked.
func backend(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") != "":
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n%s\n", r.Header.Get("Authorization"))
			rw.Flush()
			line, err := rw.ReadString('\n')
			if err == nil {
				fmt.Fprint(rw, strings.ToUpper(line))
				rw.Flush()
			}
		case r.URL.Path == "/login/link" && r.Method == http.MethodPost && r.Header.Get("Authorization") == "Bearer secret":
			fmt.Fprintln(w, "/login?token=once")
		case r.URL.Path == "/login":
			w.Header().Add("Set-Cookie", "__Host-session-6443=abc; Path=/; HttpOnly; SameSite=Strict; Secure")
		default:
			fmt.Fprintf(w, "%s %s %s host=%v cookie=%s origin=%s", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), strings.HasPrefix(r.Host, "127.0.0.1:"), r.Header.Get("Cookie"), r.Header.Get("Origin"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func start(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func ask(t *testing.T, method, address string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestTheFilterHasTheRulesOfKubectl(t *testing.T) {
	f := func(o Options, method, path, host string, want bool, header ...string) {
		t.Helper()
		rules, err := newFilter(&o)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Host: host, Header: http.Header{}}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		if got := rules.accepts(r); got != want {
			t.Errorf("%s %s of %s %v: %v", method, path, host, header, got)
		}
	}
	o := defaults("")
	f(o, "GET", "/api/v1", "localhost:8001", true)
	f(o, "GET", "/api/v1", "127.0.0.1:8001", true)
	f(o, "GET", "/api/v1", "[::1]:8001", true)
	f(o, "GET", "/api/v1", "localhost", true)
	f(o, "GET", "/api/v1", "evil.example:8001", false)
	f(o, "GET", "/api/v1", "localhost.evil.example", false)
	f(o, "GET", "/api/v1/namespaces/a/pods/p/exec", "localhost", false)
	f(o, "POST", "/api/v1/namespaces/a/pods/p/attach", "localhost", false)
	f(o, "GET", "/api/v1/namespaces/a/pods/p/log", "localhost", true)
	f(o, "DELETE", "/api/v1/namespaces/a", "localhost", true)
	f(o, "POST", "/api/v1/pods", "localhost:1", true, "Origin", "http://localhost:1")
	f(o, "POST", "/api/v1/pods", "localhost:1", false, "Origin", "http://evil.example")
	f(o, "POST", "/api/v1/pods", "localhost:1", false, "Origin", "null")
	f(o, "GET", "/api/v1/pods", "localhost:1", false, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors")
	f(o, "GET", "/ui/", "localhost:1", true, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	f(o, "GET", "/ui/", "localhost:1", true, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
	o.RejectMethods = "POST,PUT,PATCH"
	f(o, "PATCH", "/api/v1", "localhost", false)
	f(o, "GET", "/api/v1", "localhost", true)
	o.AcceptPaths = "^/healthz$"
	f(o, "GET", "/api", "localhost", false)
	f(o, "GET", "/healthz", "localhost", true)
	o.DisableFilter = true
	f(o, "POST", "/api/v1/namespaces/a/pods/p/exec", "evil.example", true)
	o.AcceptHosts = "("
	if _, err := newFilter(&o); err == nil || !strings.HasPrefix(err.Error(), "--accept-hosts: ") {
		t.Errorf("got %v", err)
	}
}

func TestRequestsAreSentOnAsTheUser(t *testing.T) {
	p := start(t, defaults(backend(t).URL))
	if _, text := ask(t, "GET", p.URL+"/api/v1?a=b%2Fc"); text != "GET /api/v1?a=b%2Fc Bearer secret host=true cookie= origin=" {
		t.Errorf("got %q", text)
	}
	resp, text := ask(t, "GET", p.URL+"/api", "Host", "evil.example")
	if resp.StatusCode != http.StatusForbidden || text != "Forbidden\n" {
		t.Errorf("got %d %q", resp.StatusCode, text)
	}
}

func TestAPrefixAndFiles(t *testing.T) {
	o := defaults(backend(t).URL + "/base")
	o.APIPrefix, o.AppendServerPath, o.StaticDir, o.StaticPrefix = "/k8s/", true, t.TempDir(), "files"
	if err := os.WriteFile(filepath.Join(o.StaticDir, "a.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, o)
	if _, text := ask(t, "GET", p.URL+"/k8s/api/v1"); !strings.HasPrefix(text, "GET /base/api/v1 ") {
		t.Errorf("got %q", text)
	}
	if _, text := ask(t, "GET", p.URL+"/files/a.txt"); text != "hello" {
		t.Errorf("got %q", text)
	}
	if resp, _ := ask(t, "GET", p.URL+"/api/v1"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %d outside of the prefix", resp.StatusCode)
	}
}

func TestConnectionsAreTakenOver(t *testing.T) {
	p := start(t, defaults(backend(t).URL))
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/namespaces/a/pods/p/portforward HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "Bearer secret\n" {
		t.Fatalf("%q %v", line, err)
	}
	fmt.Fprintf(conn, "hello\n")
	if line, err := r.ReadString('\n'); err != nil || line != "HELLO\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestBrowsersAreLoggedIn(t *testing.T) {
	s := backend(t)
	p := start(t, defaults(s.URL))
	resp, _ := ask(t, "GET", p.URL+"/login?next=%2Fui%2Fexplore", "Accept", "text/html,*/*")
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != "/login?token=once&next=%2Fui%2Fexplore" {
		t.Errorf("got %d %s", resp.StatusCode, got)
	}
	resp, _ = ask(t, "GET", p.URL+"/login?token=once", "Accept", "text/html,*/*")
	if got := resp.Header.Get("Set-Cookie"); got != "proxied-session-6443=abc; Path=/; HttpOnly; SameSite=Strict" {
		t.Errorf("got %q", got)
	}
	_, text := ask(t, "POST", p.URL+"/ui/save", "Cookie", "other=1; proxied-session-6443=abc", "Origin", p.URL)
	if want := "cookie=other=1; __Host-session-6443=abc origin=" + s.URL; !strings.HasSuffix(text, want) {
		t.Errorf("got %q, want %q", text, want)
	}
	// The Origin of another program on this machine stays what it is.
	if _, text := ask(t, "POST", p.URL+"/ui/save", "Origin", "http://localhost:3000"); !strings.HasSuffix(text, "origin=http://localhost:3000") {
		t.Errorf("got %q", text)
	}
}

func TestItServesOnASocketThatOnlyItsUserReaches(t *testing.T) {
	o := defaults(backend(t).URL)
	o.UnixSocket = filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- Run(ctx, o, func(string) { close(ready) }) }()
	<-ready
	if info, err := os.Stat(o.UnixSocket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := listen(&o); err == nil {
		t.Error("a socket that is in use was taken")
	}
	c := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", o.UnixSocket) }}}
	resp, err := c.Get("http://localhost/version")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	p := start(t, defaults("https://127.0.0.1:1"))
	if resp, _ := ask(t, "GET", p.URL+"/api"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d", resp.StatusCode)
	}
}
