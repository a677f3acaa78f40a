package stream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/fieldmanager"
	"pilothouse/backend/kubelet"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/server"
	"pilothouse/backend/storage/memory"
	"pilothouse/backend/stream"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	restclient "k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// fixture is an API server with one node, whose kubelet is a fake.
type fixture struct {
	t       testing.TB
	url     string
	host    string
	kubelet *fakeKubelet
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not happen", what)
	}
}

// start makes a fixture with the pod p of the containers c and d, the pod one of
// the container c, and the pod waiting that has no node.
func start(t testing.TB, change ...func(*stream.Options)) *fixture {
	t.Helper()
	keys, err := pki.Open(t.TempDir(), time.Now)
	must(t, err)
	serving, err := keys.Serving(pki.ServingOptions{Names: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	f := &fixture{t: t, kubelet: startKubelet(t)}
	reg, err := registry.New(registry.Options{Engine: memory.New()})
	must(t, err)
	access := &registry.Access{Authorize: func(_ context.Context, u *request.User, i *request.Info) (registry.AccessDecision, error) {
		return registry.AccessDecision{Allowed: mayCreate(u.Name) || i.Verb != "create", Reason: "no rule for it"}, nil
	}}
	o := stream.Options{Kubelet: kubelet.New(kubelet.Options{Certificate: clientCertificate(t, keys)}), Access: access}
	for _, c := range change {
		c(&o)
	}
	streams := stream.New(o).Streams()
	must(t, reg.Add(resources.All(&registry.Env{Registry: reg, Clock: time.Now, Access: access, Streams: &streams})...))
	must(t, reg.Start(context.Background()))
	t.Cleanup(reg.Close)
	api := endpoints.New(endpoints.Config{Registry: reg, FieldManager: fieldmanager.New(), Clock: time.Now})
	f.serve(server.Chain(api.Serve, server.Filters(server.FilterOptions{
		Authenticator: byToken{}, Authorizer: authz.AlwaysAllow(), RequestTimeout: time.Minute,
	})...), serving)
	f.fill()
	return f
}

func (f *fixture) serve(handler request.Handler, serving *pki.Serving) {
	s := server.New(server.Options{Handler: handler, TLS: serving.TLS("http/1.1")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(f.t, err)
	served := make(chan error, 1)
	go func() { served <- s.ServeTLS(l) }()
	f.host = l.Addr().String()
	f.url = "https://" + f.host
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			f.t.Errorf("shutdown: %v", err)
		}
		<-served
	})
}

func (f *fixture) fill() {
	f.create("/api/v1/namespaces", `{"metadata":{"name":"ns"}}`)
	f.create("/api/v1/nodes", fmt.Sprintf(`{"metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, f.kubelet.port))
	f.create("/api/v1/nodes", `{"metadata":{"name":"off"},"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":1}}}}`)
	f.create("/api/v1/nodes", `{"metadata":{"name":"lost"}}`)
	f.pod("p", "n", "c", "d")
	f.pod("one", "n", "c")
	f.pod("waiting", "", "c")
	f.pod("off", "off", "c")
	f.pod("lost", "lost", "c")
}

func (f *fixture) pod(name, node string, containers ...string) {
	var list []string
	for _, c := range containers {
		list = append(list, fmt.Sprintf(`{"name":%q,"image":"i"}`, c))
	}
	f.create("/api/v1/namespaces/ns/pods", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"nodeName":%q,"containers":[%s]}}`, name, node, strings.Join(list, ",")))
}

func (f *fixture) create(path, body string) {
	f.t.Helper()
	if code, text := f.do(http.MethodPost, path, body); code != http.StatusCreated {
		f.t.Fatalf("POST %s: %d %s", path, code, text)
	}
}

var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // a test's own server
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (f *fixture) do(method, path, body string, headers ...string) (int, string) {
	f.t.Helper()
	resp := f.send(context.Background(), method, path, body, headers...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return resp.StatusCode, string(b)
}

func (f *fixture) send(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	f.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, f.url+path, strings.NewReader(body))
	must(f.t, err)
	req.Header.Set("Authorization", "Bearer admin")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := insecure.Do(req)
	must(f.t, err)
	return resp
}

// message gives the code and message of a Status.
func (f *fixture) message(method, path string, headers ...string) string {
	f.t.Helper()
	code, text := f.do(method, path, "", headers...)
	var s metav1.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Sprintf("%d %s", code, text)
	}
	return fmt.Sprintf("%d %s: %s", code, s.Reason, s.Message)
}

func (f *fixture) config(user string) *restclient.Config {
	return &restclient.Config{Host: f.url, BearerToken: user, TLSClientConfig: restclient.TLSClientConfig{Insecure: true}}
}

func (f *fixture) link(path string) *url.URL {
	u, err := url.Parse(f.url + path)
	must(f.t, err)
	return u
}

// byToken knows a user by a token that is its name. The reader may not create.
type byToken struct{}

func (byToken) Authenticate(_ context.Context, r *request.Request) (*request.User, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, errors.New("no token")
	}
	return &request.User{Name: name}, nil
}

func mayCreate(user string) bool { return user != "reader" }

func clientCertificate(t testing.TB, keys *pki.PKI) func() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(keys.Admin.CertPEM, keys.Admin.KeyPEM)
	must(t, err)
	return func() (*tls.Certificate, error) { return &pair, nil }
}

// fakeKubelet serves the streaming half of a kubelet's API.
type fakeKubelet struct {
	t    testing.TB
	port int
	// seen has the last request.
	seen atomic.Pointer[http.Request]
	// freed gets a value when the client of a request without end is gone.
	freed chan struct{}
	// lines are what a followed log says.
	lines chan string
}

func startKubelet(t testing.TB) *fakeKubelet {
	k := &fakeKubelet{t: t, freed: make(chan struct{}, 10), lines: make(chan string)}
	s := httptest.NewUnstartedServer(k)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	k.port = s.Listener.Addr().(*net.TCPAddr).Port
	return k
}

func (k *fakeKubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.seen.Store(r.Clone(context.Background()))
	switch {
	case strings.HasPrefix(r.URL.Path, "/containerLogs/"):
		k.log(w, r)
	case strings.HasPrefix(r.URL.Path, "/exec/"), strings.HasPrefix(r.URL.Path, "/attach/"):
		k.command(w, r)
	case strings.HasPrefix(r.URL.Path, "/portForward/"):
		k.portForward(w, r)
	case r.URL.Path == "/page":
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<a href="/other">other</a>`)
	case r.URL.Path == "/endless":
		w.Header().Set("Content-Type", "text/html")
		for piece := bytes.Repeat([]byte("<p>text"), 1<<12); r.Context().Err() == nil; {
			w.Write(piece)
		}
		k.freed <- struct{}{}
	case r.URL.Path == "/late":
		time.Sleep(50 * time.Millisecond) // longer than the patience of the test
		w.Header().Set("Content-Type", "text/tea")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, <-k.lines)
	case r.URL.Path == "/slow":
		<-r.Context().Done()
		k.freed <- struct{}{}
	default:
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.URL.RequestURI())
		fmt.Fprintf(w, "%s %s", r.Method, b)
	}
}

func (k *fakeKubelet) log(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("previous") == "true" {
		http.Error(w, "previous terminated container not found", http.StatusBadRequest)
		return
	}
	if r.URL.Query().Get("limitBytes") == "67108864" {
		piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<11)
		for range 1 << 11 {
			w.Write(piece)
		}
		return
	}
	if r.URL.Query().Get("follow") != "true" {
		io.WriteString(w, "first\nsecond\n")
		return
	}
	for {
		select {
		case line := <-k.lines:
			io.WriteString(w, line)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			k.freed <- struct{}{}
			return
		}
	}
}

// command takes the streams of a command and does what its first word says.
func (k *fakeKubelet) command(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !httpstream.IsUpgradeRequest(r) {
		http.Error(w, "Upgrade request required", http.StatusBadRequest)
		return
	}
	if len(q["command"]) > 0 && q["command"][0] == "refuse" {
		http.Error(w, "container not running", http.StatusNotFound)
		return
	}
	if len(q["command"]) > 0 && q["command"][0] == "hold" {
		hold(w)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return
	}
	wanted := 1
	for _, name := range []string{"input", "output", "error", "tty"} {
		if q.Get(name) == "1" && !(name == "error" && q.Get("tty") == "1") {
			wanted++
		}
	}
	streams := make(chan httpstream.Stream, wanted)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer conn.Close()
	by := map[string]httpstream.Stream{}
	for range wanted {
		select {
		case s := <-streams:
			by[s.Headers().Get("streamType")] = s
		case <-time.After(time.Minute):
			k.t.Errorf("only the streams %v of %d", by, wanted)
			return
		}
	}
	status := k.run(q["command"], by, conn)
	b, _ := json.Marshal(status)
	by["error"].Write(b)
}

// hold keeps the connection of a command and says nothing: it costs little.
func hold(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
	io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 100))
}

func (k *fakeKubelet) run(command []string, s map[string]httpstream.Stream, conn httpstream.Connection) metav1.Status {
	name := "cat"
	if len(command) > 0 {
		name = command[0]
	}
	switch name {
	case "cat":
		io.Copy(s["stdout"], s["stdin"])
	case "fail":
		io.WriteString(s["stderr"], "no\n")
		return metav1.Status{Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: "command terminated with non-zero exit code",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: "3"}}}}
	case "size":
		var size struct{ Width, Height int }
		if err := json.NewDecoder(s["resize"]).Decode(&size); err == nil {
			fmt.Fprintf(s["stdout"], "%dx%d", size.Width, size.Height)
		}
	case "much":
		s["stdout"].Write(bytes.Repeat([]byte("0123456789abcdef"), 1<<17))
	case "wait":
		io.WriteString(s["stdout"], "ready")
		<-conn.CloseChan()
		k.freed <- struct{}{}
	case "lost":
		conn.Close()
	}
	return metav1.Status{Status: metav1.StatusSuccess}
}

// portForward echoes in capitals what comes on the data streams.
func (k *fakeKubelet) portForward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		go func() {
			defer s.Close()
			if s.Headers().Get("streamType") != "data" {
				return
			}
			p := make([]byte, 100)
			for {
				n, err := s.Read(p)
				if n > 0 {
					s.Write(bytes.ToUpper(p[:n]))
				}
				if err != nil {
					return
				}
			}
		}()
		return nil
	})
	if conn == nil {
		return
	}
	<-conn.CloseChan()
	k.freed <- struct{}{}
}
