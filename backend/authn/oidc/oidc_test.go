package oidc

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/apiserver/pkg/apis/apiserver"
)

type claimsOf = map[string]any

func TestForgedTokens(t *testing.T) {
	p, other := newProvider(t), newProvider(t)
	a := p.authenticator()
	good := p.token(nil)
	parts := strings.Split(good, ".")
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	public, err := x509.MarshalPKIXPublicKey(p.keys[0].Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	check(t, a, "good", good, "s-1", "")
	check(t, a, "signed by another provider", other.sign(other.keys[0], claimsOf{"iss": p.url()}), "", "failed to verify")
	check(t, a, "of another provider", other.token(nil), "", "")
	check(t, a, "alg none", raw(`{"alg":"none"}`)+"."+parts[1]+".", "", "malformed jwt")
	check(t, a, "our public key as a secret", sign(t, jose.HS256, public, payload), "", "malformed jwt")
	check(t, a, "another payload", parts[0]+"."+raw(`{"iss":"`+p.url()+`","sub":"root","aud":"app","exp":9999999999}`)+"."+parts[2], "", "failed to verify")
	check(t, a, "cut off", good[:len(good)-4], "", "failed to verify")
	check(t, a, "no signature", parts[0]+"."+parts[1]+".", "", "failed to verify")
	check(t, a, "two parts", parts[0]+"."+parts[1], "", "")
	check(t, a, "empty", "", "", "")
	check(t, a, "expired", p.token(claimsOf{"exp": time.Now().Add(-time.Minute).Unix()}), "", "token is expired")
	check(t, a, "no end", p.token(claimsOf{"exp": nil}), "", "token is expired")
	check(t, a, "not yet valid", p.token(claimsOf{"nbf": time.Now().Add(10 * time.Minute).Unix()}), "", "before the nbf")
	check(t, a, "for another client", p.token(claimsOf{"aud": "else"}), "", `expected audience "app" got ["else"]`)
	check(t, a, "for nobody", p.token(claimsOf{"aud": nil}), "", "expected audience")
	check(t, a, "for several", p.token(claimsOf{"aud": []string{"else", "app"}}), "s-1", "")
	check(t, a, "no name", p.token(claimsOf{"sub": nil}), "", `parse username claims "sub": claim not present`)
	check(t, a, "a name that is no string", p.token(claimsOf{"sub": 7}), "", "failed to unmarshal claims")
}

func TestAlgorithms(t *testing.T) {
	p := newProvider(t)
	a, err := New(Options{JWT: p.jwt(), Algorithms: []string{"RS256"}})
	if err != nil {
		t.Fatal(err)
	}
	a.Run(t.Context())
	p.rotate("2", jose.ES256)
	check(t, a, "an algorithm that is not allowed", p.token(nil), "", "unexpected signature algorithm")
	check(t, p.authenticator(), "one that is", p.token(nil), "s-1", "")
}

func TestKeyRotationAndOutage(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator()
	old := p.token(nil)
	check(t, a, "first key", old, "s-1", "")
	p.rotate("2", jose.RS256)
	later(a)
	check(t, a, "second key", p.token(nil), "s-1", "")
	becomes(t, a, old, false)
	check(t, a, "first key after its end", old, "", "failed to verify")

	p.setDown(true)
	check(t, a, "known key while the provider is away", p.token(nil), "s-1", "")
	p.rotate("3", jose.RS256)
	later(a)
	check(t, a, "unknown key while the provider is away", p.token(nil), "", "fetching keys")
	p.setDown(false)
	becomes(t, a, p.token(nil), true)
	check(t, a, "unknown key when it is back", p.token(nil), "s-1", "")
}

// becomes waits until a token is good, or no longer: the library keeps the answer
// to its last request for keys a moment after it was used, and tells nobody when
// it lets go of it.
func becomes(t *testing.T, a *Authenticator, token string, good bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for again := time.Tick(time.Millisecond); ; {
		if _, err := a.AuthenticateToken(ctx, token, nil); (err == nil) == good {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the token does not become good=%v", good)
		case <-again:
		}
	}
}

// later makes the pause between two requests for keys be over.
func later(a *Authenticator) {
	tr := a.client.Transport.(*transport) //nolint:forcetypeassert // newClient made it
	now := tr.now().Add(keysPause)
	tr.now = func() time.Time { return now }
}

func TestForgedTokensDoNotFloodTheProvider(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator()
	check(t, a, "good", p.token(nil), "s-1", "")
	before := p.keyRequests.Load()
	forger := newProvider(t)
	for range 20 {
		forger.rotate("x", jose.ES256)
		check(t, a, "forged", forger.sign(forger.keys[0], claimsOf{"iss": p.url()}), "", "failed to verify")
	}
	if n := p.keyRequests.Load() - before; n > 5 {
		t.Errorf("20 forged tokens made %d requests for keys", n)
	}
}

func TestProviderThatComesLater(t *testing.T) {
	p := newProvider(t)
	p.setDown(true)
	a, err := New(Options{JWT: p.jwt(), Algorithms: Algorithms, Retry: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		a.Run(t.Context())
		close(done)
	}()
	check(t, a, "before", p.token(nil), "", "not initialized")
	check(t, a, "of another issuer, before", newProvider(t).token(nil), "", "")
	for p.requests.Load() < 3 {
		time.Sleep(time.Millisecond) // until it has tried again
	}
	p.setDown(false)
	<-done
	check(t, a, "after", p.token(nil), "s-1", "")
}

func TestProviderThatIsSomebodyElse(t *testing.T) {
	p := newProvider(t)
	p.issuer = "https://else.example.com"
	a, err := New(Options{JWT: p.jwt(), Algorithms: Algorithms})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.connect(t.Context()); err == nil || !strings.Contains(err.Error(), "did not match") {
		t.Error(err)
	}
	j := p.jwt()
	j.Issuer.CertificateAuthority = ""
	if a, err = New(Options{JWT: j}); err != nil {
		t.Fatal(err)
	}
	if err := a.connect(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error("a provider with an unknown certificate was believed", err)
	}
}

func TestDiscoveryURL(t *testing.T) {
	p := newProvider(t)
	p.issuer = "https://issuer.example.com"
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		j.Issuer.URL, j.Issuer.DiscoveryURL = p.issuer, p.server.URL+"/elsewhere"
	})
	check(t, a, "found elsewhere", p.token(claimsOf{"iss": p.issuer}), "s-1", "")
}

func TestFlags(t *testing.T) {
	p := newProvider(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(p.ca()), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Flags)) *Authenticator {
		t.Helper()
		f := Flags{IssuerURL: p.url(), ClientID: "app", CAFile: ca, UsernameClaim: "sub", SigningAlgs: []string{"RS256"}}
		if change != nil {
			change(&f)
		}
		c, err := FromFlags(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(Options{JWT: c.JWT[0], Algorithms: f.SigningAlgs})
		if err != nil {
			t.Fatal(err)
		}
		a.Run(t.Context())
		return a
	}
	check(t, with(nil), "issuer as prefix", p.token(nil), p.url()+"#s-1", "")
	check(t, with(func(f *Flags) { f.UsernamePrefix = "-" }), "no prefix", p.token(nil), "s-1", "")
	check(t, with(func(f *Flags) { f.UsernamePrefix = "oidc:" }), "own prefix", p.token(nil), "oidc:s-1", "")
	email := with(func(f *Flags) { f.UsernameClaim = "email" })
	check(t, email, "email has no prefix", p.token(claimsOf{"email": "a@b"}), "a@b", "")
	check(t, email, "verified", p.token(claimsOf{"email": "a@b", "email_verified": true}), "a@b", "")
	check(t, email, "not verified", p.token(claimsOf{"email": "a@b", "email_verified": false}), "", "email not verified")
	check(t, email, "verified by a string", p.token(claimsOf{"email": "a@b", "email_verified": "true"}), "", "parse 'email_verified' claim")
	groups := with(func(f *Flags) { f.GroupsClaim, f.GroupsPrefix = "roles", "g:" })
	if u := check(t, groups, "groups", p.token(claimsOf{"roles": []string{"a", "b"}, "jti": "7"}), p.url()+"#s-1", ""); !reflect.DeepEqual(u.Groups, []string{"g:a", "g:b"}) ||
		!reflect.DeepEqual(u.Extra, map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=7"}}) {
		t.Errorf("%+v", u)
	}
	if u := check(t, groups, "one group", p.token(claimsOf{"roles": "a"}), p.url()+"#s-1", ""); !reflect.DeepEqual(u.Groups, []string{"g:a"}) {
		t.Errorf("%+v", u)
	}
	check(t, groups, "groups that are numbers", p.token(claimsOf{"roles": []int{1}}), "", `parse groups claim "roles"`)
	required := with(func(f *Flags) { f.RequiredClaims = map[string]string{"hd": "example.com", "tid": "1"} })
	check(t, required, "all there", p.token(claimsOf{"hd": "example.com", "tid": "1"}), p.url()+"#s-1", "")
	check(t, required, "one is missing", p.token(claimsOf{"hd": "example.com"}), "", "required claim tid not present in ID token")
	check(t, required, "one is another", p.token(claimsOf{"hd": "example.org", "tid": "1"}), "", "required claim hd value does not match. Got = example.org, want = example.com")
	check(t, required, "one is no string", p.token(claimsOf{"hd": []string{"example.com"}, "tid": "1"}), "", "parse claim hd")

	fault := func(words string, change func(*Flags), own ...string) {
		t.Helper()
		f := Flags{IssuerURL: p.url(), ClientID: "app", UsernameClaim: "sub"}
		change(&f)
		if _, err := FromFlags(f, own); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s", err, words)
		}
	}
	fault("unsupported signing alg", func(f *Flags) { f.SigningAlgs = []string{"HS256"} })
	fault("unsupported signing alg", func(f *Flags) { f.SigningAlgs = []string{"none"} })
	fault("scheme must be https", func(f *Flags) { f.IssuerURL = "http://x" })
	fault("no such file", func(f *Flags) { f.CAFile = "/no/such" })
	fault("disallowed issuers", func(*Flags) {}, p.url())
}

func expression(j *apiserver.JWTAuthenticator) *apiserver.ClaimMappings {
	j.ClaimMappings.Username = apiserver.PrefixedClaimOrExpression{Expression: `"x:" + claims.sub`}
	return &j.ClaimMappings
}

func TestExpressions(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		m := expression(j)
		m.Groups.Expression = `claims.roles.split(",") + claims.more`
		m.UID.Expression = `claims.ids[0].value__dot__x`
		m.Extra = []apiserver.ExtraMapping{
			{Key: "acme.com/deep", ValueExpression: `claims.a__dot__b.c__dash__d`},
			{Key: "acme.com/none", ValueExpression: `has(claims.absent) ? claims.absent : ""`},
			{Key: "acme.com/list", ValueExpression: `claims.more`},
			{Key: "acme.com/null", ValueExpression: `claims.nothing`},
			{Key: "acme.com/made", ValueExpression: `["a", ""] + dyn(claims.more).filter(r, r != "c")`},
		}
		j.ClaimValidationRules = []apiserver.ClaimValidationRule{
			{Expression: `claims.exp - claims.iat <= 86400.0`, Message: "must not live longer than a day"},
			{Expression: `claims.?blocked.orValue(false) == false`},
		}
		j.UserValidationRules = []apiserver.UserValidationRule{
			{Expression: `!user.username.startsWith("x:system:")`, Message: "names of the system are not for people"},
			{Expression: `user.groups.all(g, !g.startsWith("system:"))`},
			{Expression: `"acme.com/deep" in user.extra`},
		}
	})
	good := func(change claimsOf) string {
		c := claimsOf{"roles": "a,b", "more": []string{"c"}, "ids": []any{claimsOf{"value.x": "u-7"}}, "a.b": claimsOf{"c-d": "v"}, "nothing": nil, "jti": "j"}
		for k, v := range change {
			c[k] = v
		}
		c["nothing"] = json.RawMessage("null")
		return p.token(c)
	}
	u := check(t, a, "good", good(nil), "x:s-1", "")
	if u.UID != "u-7" || !reflect.DeepEqual(u.Groups, []string{"a", "b", "c"}) || !reflect.DeepEqual(u.Extra, map[string][]string{
		"authentication.kubernetes.io/credential-id": {"JTI=j"}, "acme.com/deep": {"v"}, "acme.com/list": {"c"}, "acme.com/made": {"a"},
	}) {
		t.Errorf("%+v", u)
	}
	check(t, a, "too long", good(claimsOf{"exp": time.Now().Add(48 * time.Hour).Unix()}), "", "validation expression 'claims.exp - claims.iat <= 86400.0' failed: must not live longer than a day")
	check(t, a, "blocked", good(claimsOf{"blocked": true}), "", "failed: ")
	check(t, a, "blocked by a string", good(claimsOf{"blocked": "true"}), "", "failed: ")
	check(t, a, "a name of the system", good(claimsOf{"sub": "system:admin"}), "", "names of the system are not for people")
	check(t, a, "a group of the system", good(claimsOf{"roles": "system:masters"}), "", "error evaluating user info validation rule")
	check(t, a, "no name", good(claimsOf{"sub": nil}), "", "error evaluating username claim expression")
	check(t, a, "a uid that is no string", good(claimsOf{"ids": []any{claimsOf{"value.x": 7}}}), "", "uid claim expression must return a string")
	check(t, a, "groups that are missing", good(claimsOf{"more": nil}), "", "error evaluating group claim expression")

	odd := func(what, words string, change func(*apiserver.ClaimMappings), c claimsOf) {
		t.Helper()
		a := p.authenticator(func(j *apiserver.JWTAuthenticator) { change(expression(j)) })
		check(t, a, what, p.token(c), "", words)
	}
	odd("an empty name", "empty username via CEL expression is not allowed", func(m *apiserver.ClaimMappings) { m.Username.Expression = `claims.n` }, claimsOf{"n": ""})
	odd("a name that is a list", "username claim expression must return a string", func(m *apiserver.ClaimMappings) { m.Username.Expression = `claims.n` }, claimsOf{"n": []string{"a"}})
	odd("groups that are a map", "must return a string or a list of strings", func(m *apiserver.ClaimMappings) { m.Groups.Expression = `claims.g` }, claimsOf{"g": claimsOf{"a": 1}})
	odd("groups with a number", "must return a string or a list of strings", func(m *apiserver.ClaimMappings) { m.Groups.Expression = `claims.g` }, claimsOf{"g": []any{"a", 1}})
}

func TestSeveralAudiences(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		j.Issuer.Audiences, j.Issuer.AudienceMatchPolicy = []string{"b", "a"}, "MatchAny"
	})
	check(t, a, "one of them", p.token(claimsOf{"aud": "a"}), "s-1", "")
	check(t, a, "none of them", p.token(nil), "", `expected audience in ["a" "b"] got ["app"]`)
}

func TestDistributedClaims(t *testing.T) {
	p, other := newProvider(t), newProvider(t)
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		none := ""
		j.ClaimMappings.Groups = apiserver.PrefixedClaimOrExpression{Claim: "groups", Prefix: &none}
		j.Issuer.CertificateAuthority += other.ca()
	})
	points := func(endpoint, token string) claimsOf {
		return claimsOf{"_claim_names": claimsOf{"groups": "src"}, "_claim_sources": claimsOf{"src": claimsOf{"endpoint": endpoint, "access_token": token}}}
	}
	p.answers["/groups Bearer secret"] = other.token(claimsOf{"groups": []string{"a", "b"}})
	p.answers["/open "] = other.token(claimsOf{"groups": "c"})
	p.answers["/wrong "] = other.token(nil)
	p.answers["/forged "] = p.sign(other.keys[0], claimsOf{"groups": "root"})
	p.answers["/other "] = other.token(claimsOf{"aud": "else", "groups": "root"})
	p.answers["/text "] = "not a token"
	groups := func(what, endpoint, token, words string, want ...string) {
		t.Helper()
		name := "s-1"
		if words != "" {
			name = ""
		}
		if u := check(t, a, what, p.token(points(p.server.URL+endpoint, token)), name, words); !reflect.DeepEqual(u.Groups, want) {
			t.Errorf("%s: %v", what, u.Groups)
		}
	}
	groups("with a token", "/groups", "secret", "", "a", "b")
	groups("without", "/open", "", "", "c")
	groups("not allowed", "/groups", "", "404")
	groups("without the claim", "/wrong", "", "did not contain claim")
	groups("forged", "/forged", "", "verify distributed claim token")
	groups("for another client", "/other", "", "expected audience")
	groups("no token", "/text", "", "malformed token")
	check(t, a, "its own groups first", p.token(claimsOf{"groups": "d", "_claim_names": claimsOf{"groups": "src"}, "_claim_sources": claimsOf{"src": claimsOf{"endpoint": "https://no.such"}}}), "s-1", "")
	check(t, a, "another claim is distributed", p.token(claimsOf{"_claim_names": claimsOf{"x": "src"}, "_claim_sources": claimsOf{"src": claimsOf{"endpoint": "https://no.such"}}}), "s-1", "")
	check(t, a, "no sources", p.token(claimsOf{"_claim_names": claimsOf{"groups": "src"}}), "", "source does not exist")
	check(t, a, "names that are a list", p.token(claimsOf{"_claim_names": []string{"groups"}}), "", "oidc:")
}

func TestOwnValuesAreNotChanged(t *testing.T) {
	p := newProvider(t)
	a := p.authenticator()
	token := p.token(nil)
	first, err := a.AuthenticateToken(context.Background(), token, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.AuthenticateToken(context.Background(), token, nil)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("%+v %+v %v", first, second, err)
	}
}

func FuzzIssuer(f *testing.F) {
	for _, s := range []string{"..", "a.e30.c", "a.eyJpc3MiOiJ4In0.c", "a.eyJpc3MiOjF9.c", "{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if issuer := statedIssuer(token); issuer != "" && strings.Count(token, ".") != 2 {
			t.Errorf("%q says %q", token, issuer)
		}
	})
}
