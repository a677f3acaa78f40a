package server

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"pilothouse/backend/pki"
)

// askWith sends one request on a new connection with a client certificate.
func (f *fixture) askWith(roots *x509.CertPool, cert *tls.Certificate) (status int, shown *x509.Certificate, err error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: roots,
		// Whatever the server says that it knows, this one is shown.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cert == nil {
				return &tls.Certificate{}, nil
			}
			return cert, nil
		},
	}}
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get(f.url + "/")
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.TLS.PeerCertificates[0], nil
}

func adminOf(t *testing.T, p *pki.PKI) *tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.Admin.CertPEM, p.Admin.KeyPEM)
	must(t, err)
	return &c
}

func TestClientCertificates(t *testing.T) {
	f := start(t, echo)
	roots, _ := f.serving.Roots()
	other, err := pki.Open(t.TempDir(), time.Now)
	must(t, err)
	check := func(name string, cert *tls.Certificate, want int) {
		t.Helper()
		if got, _, err := f.askWith(roots, cert); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", name, got, err, want)
		}
	}
	check("none", nil, 200)
	check("of this server", adminOf(t, f.pki), 200)
	check("of another authority", adminOf(t, other), 401)
	serving := f.serving.Certificate()
	check("a serving certificate", serving, 401)
}

func TestCertificatesFollowTheirFiles(t *testing.T) {
	other, err := pki.Open(t.TempDir(), time.Now)
	must(t, err)

	// The operator's files: a certificate of their own, and an authority.
	dir := t.TempDir()
	copyFile := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		must(t, err)
		must(t, pki.WriteFile(to, b, 0o600))
	}
	certFile, keyFile, caFile := dir+"/tls.crt", dir+"/tls.key", dir+"/ca.crt"
	f := start(t, echo)
	copyFile(f.pki.Path("apiserver.crt"), certFile)
	copyFile(f.pki.Path("apiserver.key"), keyFile)
	copyFile(f.pki.Path("ca.crt"), caFile)
	serving, err := f.pki.Serving(pki.ServingOptions{CertFile: certFile, KeyFile: keyFile, ClientCAFile: caFile})
	must(t, err)
	g := start(t, echo, func(o *fixtureOptions) {
		o.TLS = serving.TLS("http/1.1")
		o.Authenticator = certificatesOnly(serving.Roots)
	})
	roots, _ := f.serving.Roots()
	roots = roots.Clone()
	roots.AddCert(other.CA.Cert)

	_, before, err := g.askWith(roots, nil)
	must(t, err)
	if code, _, err := g.askWith(roots, adminOf(t, other)); err != nil || code != 401 {
		t.Fatalf("an authority that is not known yet: %d %v", code, err)
	}

	_, err = other.Serving(pki.ServingOptions{Names: []string{"localhost"}, IPs: loopback})
	must(t, err)
	copyFile(other.Path("apiserver.key"), keyFile)
	serving.Refresh() // half of the change is there: the old pair stays
	if _, got, err := g.askWith(roots, nil); err != nil || !got.Equal(before) {
		t.Fatalf("with a key that does not fit: %v", err)
	}
	copyFile(other.Path("apiserver.crt"), certFile)
	copyFile(other.Path("ca.crt"), caFile)
	serving.Refresh()
	if _, got, err := g.askWith(roots, nil); err != nil || got.Equal(before) {
		t.Errorf("the new certificate is not shown: %v", err)
	}
	if code, _, err := g.askWith(roots, adminOf(t, other)); err != nil || code != 200 {
		t.Errorf("the new authority is not known: %d %v", code, err)
	}
}
