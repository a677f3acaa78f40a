package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"
)

// authority signs certificates of a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, now time.Time) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	})
	return a
}

func (a *authority) make(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// client gives a client certificate; change may spoil it.
func (a *authority) client(now time.Time, name pkix.Name, change ...func(*x509.Certificate)) *x509.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: name, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(template)
	}
	cert, _ := a.make(template)
	return cert
}

// connection gives a request over a connection on which a certificate was shown.
func connection(chain []*x509.Certificate, lines ...string) *request.Request {
	r := with(lines...)
	r.Conn = &request.Conn{}
	if chain != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: chain}
	}
	return r
}

func fixedRoots(pool *x509.CertPool) Roots {
	return func() (*x509.CertPool, uint64) { return pool, 1 }
}

func TestClientCertificate(t *testing.T) {
	now := newClock()
	ca, other := newAuthority(t, now.now), newAuthority(t, now.now)
	a := ClientCertificate(fixedRoots(ca.pool()), now.time)
	alice := pkix.Name{CommonName: "alice", Organization: []string{"dev", "ops"}}
	check := func(what, want, wantErr string, chain ...*x509.Certificate) {
		t.Helper()
		user, err := a.Authenticate(context.Background(), connection(chain))
		name := ""
		if user != nil {
			name = user.Name
		}
		if name != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %q %v", what, name, err)
		}
	}
	uid := func(values ...any) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for _, v := range values {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: uidAttribute, Value: v})
			}
		}
	}
	check("good", "alice", "", ca.client(now.now, alice))
	check("nobody", "", "", ca.client(now.now, pkix.Name{Organization: []string{"system:masters"}}))
	check("another authority", "", "unknown authority", other.client(now.now, alice))
	check("self-signed", "", "unknown authority", other.cert)
	check("server usage", "", "incompatible key usage", ca.client(now.now, alice, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))
	check("expired", "", "expired", ca.client(now.now, alice, func(c *x509.Certificate) { c.NotAfter = now.now.Add(-time.Second) }))
	check("not yet", "", "not yet valid", ca.client(now.now, alice, func(c *x509.Certificate) { c.NotBefore = now.now.Add(time.Minute) }))
	check("two uids", "", "found multiple", ca.client(now.now, alice, uid("a", "b")))
	check("empty uid", "", "cannot be an empty string", ca.client(now.now, alice, uid("")))
	check("none", "", "")

	user, err := a.Authenticate(context.Background(), connection([]*x509.Certificate{ca.client(now.now, alice, uid("u-1"))}))
	if err != nil {
		t.Fatal(err)
	}
	if user.UID != "u-1" || !reflect.DeepEqual(user.Groups, []string{"dev", "ops", request.GroupAuthenticated}) || !strings.HasPrefix(user.Extra[CredentialID][0], "X509SHA256=") {
		t.Errorf("%+v", user)
	}
	if _, err := ClientCertificate(fixedRoots(nil), now.time).Authenticate(context.Background(), connection([]*x509.Certificate{ca.client(now.now, alice)})); err == nil {
		t.Error("without authorities of ours, those of the system were asked")
	}
}

func TestClientCertificateThroughAnIntermediate(t *testing.T) {
	now := newClock()
	ca := newAuthority(t, now.now)
	middle := &authority{t: t}
	middle.cert, middle.key = ca.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: "middle"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: now.now.Add(-time.Hour), NotAfter: now.now.Add(time.Minute),
	})
	leaf := middle.client(now.now, pkix.Name{CommonName: "alice"})
	a := ClientCertificate(fixedRoots(ca.pool()), now.time)
	r := connection([]*x509.Certificate{leaf, middle.cert})
	if u, err := a.Authenticate(context.Background(), r); err != nil || u.Name != "alice" {
		t.Fatal(u, err)
	}
	if _, err := a.Authenticate(context.Background(), connection([]*x509.Certificate{leaf})); err == nil {
		t.Error("a chain with a gap is good")
	}
	now.now = now.now.Add(2 * time.Minute)
	if _, err := a.Authenticate(context.Background(), r); err == nil {
		t.Error("the intermediate has expired, and the open connection is still alice's")
	}
}

func TestClientCertificateIsVerifiedOncePerConnection(t *testing.T) {
	now := newClock()
	ca, other := newAuthority(t, now.now), newAuthority(t, now.now)
	pool, generation := ca.pool(), uint64(1)
	a := ClientCertificate(func() (*x509.CertPool, uint64) { return pool, generation }, now.time)
	r := connection([]*x509.Certificate{ca.client(now.now, pkix.Name{CommonName: "alice"})})
	first, err := a.Authenticate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	pool = other.pool() // not seen, since the generation is the same
	if again, err := a.Authenticate(context.Background(), r); err != nil || again != first {
		t.Error("verified again", err)
	}
	generation++
	if _, err := a.Authenticate(context.Background(), r); err == nil {
		t.Error("still good though its authority is gone")
	}
	pool = ca.pool()
	generation++
	if _, err := a.Authenticate(context.Background(), r); err != nil {
		t.Error(err)
	}
	now.now = now.now.Add(2 * time.Hour)
	if _, err := a.Authenticate(context.Background(), r); err == nil {
		t.Error("still good after its end")
	}
}

func proxyOptions(roots Roots, now func() time.Time) FrontProxyOptions {
	return FrontProxyOptions{
		Roots: roots, AllowedNames: []string{"proxy"}, Now: now,
		UserHeaders: []string{"X-Remote-User", "X-Also-User"}, UIDHeaders: []string{"X-Remote-Uid"},
		GroupHeaders: []string{"X-Remote-Group"}, ExtraPrefixes: []string{"X-Remote-Extra-"},
	}
}

func TestFrontProxy(t *testing.T) {
	now := newClock()
	users, proxies := newAuthority(t, now.now), newAuthority(t, now.now)
	a := Union(FrontProxy(proxyOptions(fixedRoots(proxies.pool()), now.time)), ClientCertificate(fixedRoots(users.pool()), now.time))
	proxy := []*x509.Certificate{proxies.client(now.now, pkix.Name{CommonName: "proxy"})}
	user := []*x509.Certificate{users.client(now.now, pkix.Name{CommonName: "alice"})}
	check := func(what string, chain []*x509.Certificate, want string, wantErr bool, lines ...string) {
		t.Helper()
		got, err := a.Authenticate(context.Background(), connection(chain, lines...))
		name := ""
		if got != nil {
			name = got.Name
		}
		if name != want || (err != nil) != wantErr {
			t.Errorf("%s: %q %v", what, name, err)
		}
	}
	root := []string{"X-Remote-User", "root", "X-Remote-Group", request.GroupMasters}
	check("the proxy", proxy, "root", false, root...)
	check("no certificate", nil, "", false, root...)
	check("a user's certificate", user, "alice", false, root...)
	check("a proxy of another name", []*x509.Certificate{proxies.client(now.now, pkix.Name{CommonName: "alice"})}, "", true, root...)
	check("a proxy whose certificate has expired", []*x509.Certificate{proxies.client(now.now, pkix.Name{CommonName: "proxy"}, func(c *x509.Certificate) { c.NotAfter = now.now.Add(-time.Second) })}, "", true, root...)
	check("a proxy with a server's certificate", []*x509.Certificate{proxies.client(now.now, pkix.Name{CommonName: "proxy"}, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, "", true, root...)
	check("a user's authority that calls itself proxy", []*x509.Certificate{users.client(now.now, pkix.Name{CommonName: "proxy"})}, "proxy", false, root...)
	check("the proxy about nobody is nobody", proxy, "", true)
	check("the second header", proxy, "bob", false, "X-Also-User", "bob")
	check("the first header first", proxy, "carol", false, "X-Also-User", "bob", "X-Remote-User", "carol")
	check("underscores are another header", proxy, "", true, "X_Remote_User", "root")
}

func TestFrontProxyTellsTheWholeUser(t *testing.T) {
	now := newClock()
	proxies := newAuthority(t, now.now)
	a := FrontProxy(proxyOptions(fixedRoots(proxies.pool()), now.time))
	chain := []*x509.Certificate{proxies.client(now.now, pkix.Name{CommonName: "proxy"})}
	make := func() *request.Request {
		return connection(chain, "x-remote-user", "alice", "X-Remote-Uid", "7", "X-Remote-Group", "dev", "X-REMOTE-GROUP", "", "X-Remote-Group", "ops",
			"X-Remote-Extra-Acme.com%2fScope", "read", "X-Remote-Extra-Acme.com%2FScope", "write", "X-Remote-Extra-Bad%zz", "1", "Accept", "x")
	}
	r := make()
	got, err := a.Authenticate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := &request.User{Name: "alice", UID: "7", Groups: []string{"dev", "ops", request.GroupAuthenticated}, Extra: map[string][]string{
		"acme.com/scope": {"read", "write"}, "bad%zz": {"1"},
	}}
	if !sameUser(got, want) {
		t.Errorf("%+v", got)
	}
	r.Header.Each(func(name, value string) {
		if strings.HasPrefix(strings.ToLower(name), "x-remote") {
			t.Errorf("%s: %s is seen behind the authenticator", name, value)
		}
	})
	if r.Header.Get("X-Remote-User") != "" || r.Header.Values("x-remote-group") != nil || r.Header.Get("Accept") != "x" {
		t.Error("headers are seen, or gone, that should not be")
	}
	if again, err := a.Authenticate(context.Background(), make()); err != nil || again != got {
		t.Error("the same user is another one", err)
	}
}

// sameUser compares users; the order of an extra's values is that of a map.
func sameUser(a, b *request.User) bool {
	for _, u := range []*request.User{a, b} {
		for _, v := range u.Extra {
			if len(v) == 2 && v[0] > v[1] {
				v[0], v[1] = v[1], v[0]
			}
		}
	}
	return reflect.DeepEqual(a, b)
}
