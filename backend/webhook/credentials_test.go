package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// file writes a file of the test.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func kubeconfig(t *testing.T, users, rest string) string {
	t.Helper()
	return file(t, "kubeconfig", []byte("apiVersion: v1\nkind: Config\nusers:\n"+users+rest))
}

func TestCredentialsAreFoundByHost(t *testing.T) {
	user := func(name string) string { return fmt.Sprintf("- {name: '%s', user: {token: '%s'}}\n", name, name) }
	const context = "contexts: [{name: c, context: {cluster: c, user: current}}]\ncurrent-context: c\n"
	check := func(host, want, rest string, names ...string) {
		t.Helper()
		users := user("current")
		for _, n := range names {
			users += user(n)
		}
		c, err := OpenCredentials(kubeconfig(t, users, rest))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if u := c.find(host); u != nil {
			got = u.Token
		}
		if got != want {
			t.Errorf("%s of %v: %q, want %q", host, names, got, want)
		}
	}
	check("a.ns.svc:443", "a.ns.svc:443", context, "a.ns.svc", "a.ns.svc:443", "*")
	check("a.ns.svc:443", "a.ns.svc", context, "a.ns.svc", "*.ns.svc", "*")
	check("a.ns.svc:443", "*.ns.svc:443", context, "a.ns.svc", "*.ns.svc:443")
	check("a.ns.svc:443", "*.svc", context, "*.svc", "*")
	check("a.ns.svc:8443", "*", context, "a.ns.svc", "*")
	check("a.ns.svc:8443", "current", context, "a.ns.svc")
	check("a.ns.svc:8443", "", "", "a.ns.svc")
	check("hook.example.com", "hook.example.com", "", "hook.example.com")
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	check := func(path, words string) {
		t.Helper()
		if _, err := OpenCredentials(path); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	check("/no/such", "no such file")
	check(file(t, "x", []byte("{")), "yaml")
	check(kubeconfig(t, "- {name: a, user: {client-certificate: /no/such.crt, client-key: /no/such.key}}\n", ""), `user "a": open /no/such.crt`)
	check(kubeconfig(t, "- {name: a, user: {token: x, username: u, password: p}}\n", ""), `user "a": `)
}

// certificate makes one that signs itself, and gives it and its key in PEM.
func certificate(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func TestWebhooksAreShownCredentials(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprint(w, name+" "+r.Header.Get("Authorization"))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "https://")
	certPEM, keyPEM := certificate(t, "apiserver")
	certFile, keyFile := file(t, "tls.crt", certPEM), file(t, "tls.key", keyPEM)
	by, err := OpenCredentials(kubeconfig(t, "- name: '"+host+"'\n  user: {client-certificate: "+certFile+", client-key: "+keyFile+", token: secret}\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	clients := New(nil)
	defer clients.Close()
	target := Target{URL: s.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
	says := func(c *Credentials, want string) {
		t.Helper()
		target.Credentials = c
		got, err := clients.Post(context.Background(), &target, 30*time.Second, nil)
		if err != nil || string(got) != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	says(nil, "nobody ")
	says(by, "apiserver Bearer secret")
	says(nil, "nobody ")

	// A certificate that was replaced counts from the next connection on.
	certPEM, keyPEM = certificate(t, "renewed")
	for path, content := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clients.Close()
	says(by, "renewed Bearer secret")
}
