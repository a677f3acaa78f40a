package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/pki"
	"pilothouse/backend/request"
)

// fixture is a server on loopback with the standard filters.
type fixture struct {
	*Server
	t         testing.TB
	url       string // https
	dashboard string // http
	serving   *pki.Serving
	pki       *pki.PKI
	addr      string
}

type fixtureOptions struct {
	Options
	FilterOptions
}

func start(t testing.TB, handler request.Handler, change ...func(*fixtureOptions)) *fixture {
	t.Helper()
	p, err := pki.Open(t.TempDir(), time.Now)
	must(t, err)
	serving, err := p.Serving(pki.ServingOptions{Names: []string{"localhost"}, IPs: loopback})
	must(t, err)
	o := fixtureOptions{FilterOptions: FilterOptions{
		Authenticator:  certificatesOnly(serving.Roots),
		Authorizer:     authz.AlwaysAllow(),
		RequestTimeout: time.Minute,
	}}
	o.TLS = serving.TLS("http/1.1")
	for _, f := range change {
		f(&o)
	}
	if o.Options.Handler == nil {
		o.Options.Handler = Chain(handler, Filters(o.FilterOptions)...)
	}
	s := New(o.Options)
	https, plain := listen(t), listen(t)
	served := make(chan error, 2)
	go func() { served <- s.ServeTLS(https) }()
	go func() { served <- s.ServeDashboard(plain) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Shutdown(ctx)
		for range 2 {
			select {
			case <-served:
			case <-ctx.Done():
				t.Error("a listener is still served after Shutdown")
			}
		}
	})
	return &fixture{Server: s, t: t, url: "https://" + https.Addr().String(), dashboard: "http://" + plain.Addr().String(),
		serving: serving, pki: p, addr: https.Addr().String()}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client trusts the server and shows the administrator's certificate.
func (f *fixture) client() *http.Client {
	pool, _ := f.serving.Roots()
	cert, err := tls.X509KeyPair(f.pki.Admin.CertPEM, f.pki.Admin.KeyPEM)
	must(f.t, err)
	transport := &http.Transport{
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
	}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func (f *fixture) get(path string) (*http.Response, string) {
	f.t.Helper()
	resp, err := f.client().Get(f.url + path)
	must(f.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return resp, string(body)
}

// raw writes bytes to the plain listener and reads until the server closes.
func (f *fixture) raw(text string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(f.t, err)
	defer conn.Close()
	must(f.t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, text)
	must(f.t, err)
	answer, _ := io.ReadAll(conn) // a reset after the answer is fine
	return string(answer)
}

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

func certificatesOnly(roots authn.Roots) authn.Authenticator {
	return authn.OrElse(authn.ClientCertificate(roots, time.Now), authn.Anonymous())
}

func text(body string) request.Handler {
	return func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{ContentType: "text/plain", Body: []byte(body)}, nil
	}
}

func TestAnswersWithTheHeadersOfTheAPI(t *testing.T) {
	f := start(t, func(ctx context.Context, r *request.Request) (*request.Response, error) {
		r.Warn(`say "hi"`)
		return &request.Response{ContentType: "text/plain", Body: []byte(r.User.Name + " " + r.Info.Verb + " " + r.Info.Resource)}, nil
	})
	resp, body := f.get("/api/v1/namespaces/a/pods?watch=false")
	if body != "kubernetes-admin list pods" {
		t.Errorf("body %q", body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-cache, private", "Warning": `299 - "say \"hi\""`, "Content-Type": "text/plain", "Content-Length": "26",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(resp.Header.Get("Audit-Id")) != 36 {
		t.Errorf("Audit-Id: %q", resp.Header.Get("Audit-Id"))
	}
}
