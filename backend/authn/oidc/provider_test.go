package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/apiserver/pkg/apis/apiserver"
)

// provider is an OpenID Connect provider on loopback.
type provider struct {
	t      testing.TB
	server *httptest.Server
	// path is put behind the address: an issuer with a path.
	path string

	mu      sync.Mutex
	keys    []jose.JSONWebKey // private; the first one signs
	down    bool
	issuer  string // what the configuration says, if not the truth
	answers map[string]string

	keyRequests, requests atomic.Int64
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{t: t, answers: map[string]string{}}
	p.server = httptest.NewTLSServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = nil
	t.Cleanup(p.server.Close)
	p.rotate("1", jose.RS256)
	return p
}

func (p *provider) url() string { return p.server.URL + p.path }

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests.Add(1)
	if p.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case p.path + "/.well-known/openid-configuration", "/elsewhere":
		issuer := p.issuer
		if issuer == "" {
			issuer = p.url()
		}
		json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": p.server.URL + "/keys", "authorization_endpoint": p.server.URL + "/auth", "token_endpoint": p.server.URL + "/token"}) //nolint:errcheck // a test
	case "/keys":
		p.keyRequests.Add(1)
		var public jose.JSONWebKeySet
		for _, k := range p.keys {
			public.Keys = append(public.Keys, k.Public())
		}
		json.NewEncoder(w).Encode(public) //nolint:errcheck // a test
	default:
		if answer, ok := p.answers[r.URL.Path+" "+r.Header.Get("Authorization")]; ok {
			w.Write([]byte(answer)) //nolint:errcheck // a test
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}
}

// rotate replaces the keys by a new one.
func (p *provider) rotate(id string, algorithm jose.SignatureAlgorithm) {
	p.t.Helper()
	var key crypto.Signer
	var err error
	if strings.HasPrefix(string(algorithm), "ES") {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = []jose.JSONWebKey{{Key: key, KeyID: id, Algorithm: string(algorithm), Use: "sig"}}
}

func (p *provider) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// ca is the provider's certificate in PEM form.
func (p *provider) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw}))
}

// token signs claims that are good by themselves, but for those given. A nil
// value leaves a claim out.
func (p *provider) token(c map[string]any) string {
	p.t.Helper()
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	return p.sign(key, c)
}

func (p *provider) sign(key jose.JSONWebKey, c map[string]any) string {
	p.t.Helper()
	now := time.Now()
	all := map[string]any{"iss": p.url(), "aud": "app", "sub": "s-1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, c)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		p.t.Fatal(err)
	}
	return sign(p.t, jose.SignatureAlgorithm(key.Algorithm), key, payload)
}

func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// jwt is a configuration for the provider: sub is the name.
func (p *provider) jwt(change ...func(*apiserver.JWTAuthenticator)) apiserver.JWTAuthenticator {
	none := ""
	j := apiserver.JWTAuthenticator{
		Issuer:        apiserver.Issuer{URL: p.url(), Audiences: []string{"app"}, CertificateAuthority: p.ca()},
		ClaimMappings: apiserver.ClaimMappings{Username: apiserver.PrefixedClaimOrExpression{Claim: "sub", Prefix: &none}},
	}
	for _, c := range change {
		c(&j)
	}
	return j
}

// authenticator gives one that has reached the provider.
func (p *provider) authenticator(change ...func(*apiserver.JWTAuthenticator)) *Authenticator {
	p.t.Helper()
	a, err := New(Options{JWT: p.jwt(change...), Algorithms: Algorithms, Retry: 10 * time.Millisecond})
	if err != nil {
		p.t.Fatal(err)
	}
	a.Run(p.t.Context())
	return a
}

// check wants a token to be a user, or an error with some words; with neither
// it is to be somebody else's business.
func check(t testing.TB, a authn.TokenAuthenticator, what, token, user, words string) *request.User {
	t.Helper()
	id, err := a.AuthenticateToken(context.Background(), token, nil)
	name := ""
	if id != nil {
		name = id.User.Name
	}
	if name != user || (err != nil) != (words != "") || err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %q %v, want %q %q", what, name, err, user, words)
	}
	if id == nil {
		return &request.User{}
	}
	return id.User
}
