package pki

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var names = ServingOptions{Names: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}

func TestSecondStartKeepsEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := Open(dir, time.Now)
	must(t, err)
	a, err := first.Serving(names)
	must(t, err)
	second, err := Open(dir, time.Now)
	must(t, err)
	b, err := second.Serving(names)
	must(t, err)
	if !first.CA.Cert.Equal(second.CA.Cert) || !first.Admin.Cert.Equal(second.Admin.Cert) ||
		!first.ServiceAccountKey.Equal(second.ServiceAccountKey) || !a.leafCert().Equal(b.leafCert()) {
		t.Error("a certificate or key was replaced")
	}
	for _, name := range []string{"ca.key", "admin.key", "apiserver.key", "sa.key"} {
		info, err := os.Stat(first.Path(name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestServingCertificateIsGoodForItsNames(t *testing.T) {
	p, err := Open(t.TempDir(), time.Now)
	must(t, err)
	s, err := p.Serving(ServingOptions{Names: []string{"localhost", "kubernetes.default.svc"}, IPs: []net.IP{net.ParseIP("10.0.0.1"), net.IPv6loopback}})
	must(t, err)
	roots, _ := s.Roots()
	for _, name := range []string{"localhost", "kubernetes.default.svc", "10.0.0.1", "::1"} {
		if _, err := s.leafCert().Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.leafCert().VerifyHostname("elsewhere"); err == nil {
		t.Error("good for any name")
	}
	more, err := p.Serving(ServingOptions{Names: []string{"localhost", "new-name"}})
	must(t, err)
	if more.leafCert().Equal(s.leafCert()) || more.leafCert().VerifyHostname("new-name") != nil {
		t.Error("a new name did not get a new certificate")
	}
}

// Servers that share the folder have addresses of their own: the certificate is
// good for all of them, and they do not replace it in turns.
func TestServersShareTheServingCertificate(t *testing.T) {
	dir := t.TempDir()
	serve := func(address string) *Serving {
		t.Helper()
		p, err := Open(dir, time.Now)
		must(t, err)
		s, err := p.Serving(ServingOptions{Names: []string{"localhost", "host-" + address}, IPs: []net.IP{net.ParseIP(address)}})
		must(t, err)
		return s
	}
	a, b := serve("192.0.2.1"), serve("192.0.2.2")
	for range 3 {
		a.Refresh()
		b.Refresh()
	}
	if !a.leafCert().Equal(b.leafCert()) {
		t.Error("each has one of its own")
	}
	for _, name := range []string{"localhost", "192.0.2.1", "192.0.2.2", "host-192.0.2.1", "host-192.0.2.2"} {
		if err := a.leafCert().VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if c := a.leafCert(); !c.Equal(serve("192.0.2.1").leafCert()) || len(c.DNSNames) != 3 || len(c.IPAddresses) != 2 {
		t.Errorf("%v %v", c.DNSNames, c.IPAddresses)
	}
}

func TestCertificatesAreRenewedInTime(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	clock := func() time.Time { return now }
	p, err := Open(dir, clock)
	must(t, err)
	s, err := p.Serving(names)
	must(t, err)
	first := s.leafCert()
	now = now.Add(leafLife / 2)
	s.Refresh()
	if !s.leafCert().Equal(first) {
		t.Error("renewed at half of its life")
	}
	now = now.Add(leafLife / 4)
	s.Refresh()
	if s.leafCert().Equal(first) || !s.leafCert().NotAfter.After(now.Add(leafLife/2)) {
		t.Error("not renewed at three quarters of its life")
	}
	again, err := Open(dir, clock)
	must(t, err)
	if again.Admin.Cert.Equal(p.Admin.Cert) || !again.CA.Cert.Equal(p.CA.Cert) {
		t.Error("the client certificate is to be renewed at a start, the authority is not")
	}
	now = now.Add(authorityLife)
	if _, err := Open(dir, clock); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("expired authority: %v", err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	check := func(want string, change func(dir string)) {
		t.Helper()
		dir := t.TempDir()
		p, err := Open(dir, time.Now)
		must(t, err)
		_, err = p.Serving(names)
		must(t, err)
		change(dir)
		p, err = Open(dir, time.Now)
		if err == nil {
			_, err = p.Serving(names)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	write := func(name, content string) func(string) {
		return func(dir string) { must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)) }
	}
	check("ca.crt: no certificate in PEM form", write("ca.crt", "x"))
	check("ca.key: no key in PEM form", write("ca.key", "x"))
	check("sa.key", write("sa.key", ""))
	check("is not the key of", func(dir string) {
		b, err := os.ReadFile(filepath.Join(dir, "admin.key"))
		must(t, err)
		write("ca.key", string(b))(dir)
	})
	p, err := Open(t.TempDir(), time.Now)
	must(t, err)
	for _, o := range []ServingOptions{{CertFile: "/no/such", KeyFile: "/no/such"}, {ClientCAFile: "/no/such"}, {ClientCAFile: p.Path("sa.pub")}} {
		if _, err := p.Serving(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestKubeconfigHoldsNoKeyOfTheServer(t *testing.T) {
	p, err := Open(t.TempDir(), time.Now)
	must(t, err)
	s, err := p.Serving(names)
	must(t, err)
	combined := filepath.Join(t.TempDir(), "both.pem")
	cert, err := os.ReadFile(p.Path("apiserver.crt"))
	must(t, err)
	key, err := os.ReadFile(p.Path("apiserver.key"))
	must(t, err)
	must(t, os.WriteFile(combined, append(bytes.Clone(key), cert...), 0o600))
	own, err := p.Serving(ServingOptions{CertFile: combined, KeyFile: combined})
	must(t, err)

	check := func(s *Serving, host, serverName string) {
		t.Helper()
		b, err := s.Kubeconfig("https://127.0.0.1:6443", host)
		must(t, err)
		var c struct {
			Clusters []struct {
				Cluster struct {
					Server     string `json:"server"`
					CA         []byte `json:"certificate-authority-data"`
					ServerName string `json:"tls-server-name"`
				} `json:"cluster"`
			} `json:"clusters"`
			Users []struct {
				User struct {
					Cert []byte `json:"client-certificate-data"`
					Key  []byte `json:"client-key-data"`
				} `json:"user"`
			} `json:"users"`
		}
		must(t, yaml.Unmarshal(b, &c))
		cluster := c.Clusters[0].Cluster
		if cluster.Server != "https://127.0.0.1:6443" || !bytes.HasPrefix(cluster.CA, p.CA.CertPEM) || bytes.Contains(cluster.CA, []byte("PRIVATE KEY")) ||
			cluster.ServerName != serverName || !bytes.Equal(c.Users[0].User.Key, p.Admin.KeyPEM) {
			t.Errorf("%s", b)
		}
	}
	check(s, "127.0.0.1", "")
	check(own, "127.0.0.1", "")
	check(own, "192.0.2.1", "localhost")
}
