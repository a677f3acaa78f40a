// Package oidctest runs an OpenID Connect provider on loopback for tests of
// logins: the authorization code flow with PKCE, refresh tokens, keys that
// rotate and outages. Its login page is a link for each user, so that browsers
// and plain HTTP clients get through it. Read provider.go first, then flow.go.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Options say what a provider is like.
type Options struct {
	ClientID string
	// Secret is that of a confidential client; empty for a public one.
	Secret string
	// Users are who can log in, with their groups.
	Users map[string][]string
	// Life is how long ID tokens are good, an hour when 0.
	Life time.Duration
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// Provider is a provider that runs.
type Provider struct {
	o      Options
	server *httptest.Server
	ca     []byte

	mu      sync.Mutex
	key     jose.JSONWebKey
	down    bool
	codes   map[string]grant
	refresh map[string]grant
	// nonce, when it is set, takes the place of the one in ID tokens.
	nonce string
	// count is how many keys there have been.
	count int
}

// New starts a provider; Close ends it.
func New(o Options) (*Provider, error) {
	if o.Life == 0 {
		o.Life = time.Hour
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	p := &Provider{o: o, codes: map[string]grant{}, refresh: map[string]grant{}}
	cert, err := p.certificate()
	if err != nil {
		return nil, err
	}
	if err := p.Rotate(); err != nil {
		return nil, err
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	p.server.StartTLS()
	return p, nil
}

// Close ends the provider.
func (p *Provider) Close() { p.server.Close() }

// Issuer is the provider's URL: another site than 127.0.0.1 for browsers.
func (p *Provider) Issuer() string {
	_, port, _ := net.SplitHostPort(p.server.Listener.Addr().String()) //nolint:errcheck // it is an address
	return "https://localhost:" + port
}

// CA is the provider's certificate in PEM form.
func (p *Provider) CA() []byte { return p.ca }

// certificate makes one for loopback and its name, which httptest's lacks.
func (p *Provider) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Rotate replaces the key that ID tokens are signed with.
func (p *Provider) Rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.key = jose.JSONWebKey{Key: key, KeyID: fmt.Sprint(p.count), Algorithm: string(jose.ES256), Use: "sig"}
	return nil
}

// SetDown has the provider answer nothing but 503.
func (p *Provider) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// SetGroups changes what later ID tokens say about a user.
func (p *Provider) SetGroups(user string, groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Users[user] = groups
}

// SetNonce puts a nonce into later ID tokens in place of the login's.
func (p *Provider) SetNonce(nonce string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nonce = nonce
}

// Revoke ends all logins: no refresh token is good any more.
func (p *Provider) Revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.refresh)
}

// Token gives an ID token of a user.
func (p *Provider) Token(user string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idToken(user, "")
}

// idToken signs what the provider says about a user; mu is held.
func (p *Provider) idToken(user, nonce string) (string, error) {
	now := p.o.Clock()
	claims := map[string]any{
		"iss": p.Issuer(), "aud": p.o.ClientID, "sub": user, "groups": p.o.Users[user],
		"iat": now.Unix(), "exp": now.Add(p.o.Life).Unix(), "nonce": nonce,
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, nil)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
