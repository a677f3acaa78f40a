package web_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authn/oidc"
	"pilothouse/backend/authn/oidc/oidctest"
	"pilothouse/backend/request"
	"pilothouse/web"
)

// site is a dashboard behind no server, with a provider, and one clock for both.
type site struct {
	t           *testing.T
	provider    *oidctest.Provider
	filter      request.Handler
	client      *http.Client
	sessionFile string

	mu  sync.Mutex
	now time.Time
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func newSite(t *testing.T, o oidctest.Options, settings oidc.LoginSettings) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, now: time.Now(), sessionFile: filepath.Join(dir, "sessions.json")}
	o.ClientID, o.Clock, o.Users = "dashboard", s.clock, map[string][]string{"ann": {"dev"}}
	var err error
	if s.provider, err = oidctest.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.provider.Close)
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, s.provider.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := oidc.FromFlags(oidc.Flags{
		IssuerURL: s.provider.Issuer(), ClientID: "dashboard", CAFile: ca, UsernameClaim: "sub", UsernamePrefix: "oidc:", GroupsClaim: "groups", SigningAlgs: []string{"ES256"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	providers, err := oidc.NewDynamic(oidc.DynamicOptions{Config: config, Algorithms: oidc.Algorithms, Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); providers.Run(ctx, time.Hour) }()
	t.Cleanup(func() { cancel(); <-ended })
	logins := oidc.NewLogins(providers, map[string]oidc.LoginSettings{s.provider.Issuer(): settings})
	for end := time.Now().Add(30 * time.Second); len(logins.List()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the provider is not reached")
		}
	}
	d, err := web.New(web.Options{Authenticator: authn.Bearer(providers), Logins: logins, SessionFile: s.sessionFile, Clock: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	s.filter = d.Filter(nil)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.provider.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

// tab is a browser: what it shows the dashboard are its cookies.
type tab struct {
	*site
	cookies map[string]string
}

func (s *site) tab() *tab { return &tab{s, map[string]string{}} }

type header struct{ http.Header }

// Each calls f for every line.
func (h header) Each(f func(name, value string)) {
	for name, values := range h.Header {
		for _, v := range values {
			f(name, v)
		}
	}
}

// get asks the dashboard for a page.
func (b *tab) get(target string) *request.Response {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	h := http.Header{"Host": {"127.0.0.1:8080"}, "X-Pilothouse": {"page"}}
	for name, value := range b.cookies {
		h.Add("Cookie", name+"="+value)
	}
	r := &request.Request{Method: "GET", Path: u.Path, RawPath: u.Path, RawQuery: u.RawQuery, Header: header{h}, RemoteAddr: "127.0.0.1"}
	p, err := b.filter(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, line := range p.Header {
		if line.Name != "Set-Cookie" {
			continue
		}
		if !strings.Contains(line.Value, "; HttpOnly; SameSite=Strict") {
			b.t.Errorf("cookie %s", line.Value)
		}
		pair, rest, _ := strings.Cut(line.Value, ";")
		name, value, _ := strings.Cut(pair, "=")
		if b.cookies[name] = value; strings.Contains(rest, "Max-Age=0") {
			delete(b.cookies, name)
		}
	}
	return p
}

func headerOf(p *request.Response, name string) string {
	for _, line := range p.Header {
		if line.Name == name {
			return line.Value
		}
	}
	return ""
}

// session tells whether the tab has one.
func (b *tab) session() bool {
	b.t.Helper()
	return b.get("/ui/session").Status == http.StatusNoContent
}

// begin follows the link of the login page, and gives the provider's address.
func (b *tab) begin() string {
	b.t.Helper()
	page := string(b.get("/login?next=/ui/api/v1/pods").Body)
	_, rest, ok := strings.Cut(page, `href="/login/oidc?`)
	if !ok {
		b.t.Fatalf("no link in %s", page)
	}
	query, _, _ := strings.Cut(rest, `"`)
	p := b.get("/login/oidc?" + strings.ReplaceAll(query, "&amp;", "&"))
	if p.Status != http.StatusSeeOther {
		b.t.Fatalf("%d %s", p.Status, p.Body)
	}
	return headerOf(p, "Location")
}

// at is what a user does at the provider: it gives where the browser is sent.
func (b *tab) at(address, user string) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", address+"&login="+user, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Body.Close()
	body, _ := io.ReadAll(p.Body) //nolint:errcheck // for the message only
	back := p.Header.Get("Location")
	if p.StatusCode != http.StatusFound || !strings.HasPrefix(back, "http://127.0.0.1:8080/login/oidc/callback?") {
		b.t.Fatalf("%d %s %s", p.StatusCode, back, body)
	}
	return strings.TrimPrefix(back, "http://127.0.0.1:8080")
}

// finish follows the callback to its end.
func (b *tab) finish(callback string) *request.Response {
	b.t.Helper()
	kept := b.cookies
	b.cookies = map[string]string{} // strict cookies are not shown to a page that comes from elsewhere
	p := b.get(callback)
	b.cookies = kept
	_, onward, ok := strings.Cut(headerOf(p, "Refresh"), "url=")
	if !ok || p.Status >= 400 {
		b.t.Fatalf("%d %v", p.Status, p.Header)
	}
	return b.get(onward)
}

func (b *tab) login(user string) {
	b.t.Helper()
	p := b.finish(b.at(b.begin(), user))
	if p.Status != http.StatusSeeOther || headerOf(p, "Location") != "/ui/api/v1/pods" {
		b.t.Fatalf("%d %v %s", p.Status, p.Header, p.Body)
	}
}

func (b *tab) refused(p *request.Response, words string) {
	b.t.Helper()
	if p.Status != http.StatusUnauthorized || !strings.Contains(string(p.Body), words) {
		b.t.Errorf("%d %s, want %q", p.Status, p.Body, words)
	}
	if b.session() {
		b.t.Error("there is a session")
	}
}

// jwt is a token in clear; what is encrypted has no dot.
var jwt = regexp.MustCompile(`eyJ[\w-]*\.`)

func TestALoginAtAProvider(t *testing.T) {
	for name, secret := range map[string]string{"public client": "", "confidential client": "s3cr3t"} {
		t.Run(name, func(t *testing.T) {
			settings := oidc.LoginSettings{Name: "Example", Parameters: map[string]string{"prompt": "login"}}
			if secret != "" {
				settings.ClientSecretFile = filepath.Join(t.TempDir(), "secret")
				if err := os.WriteFile(settings.ClientSecretFile, []byte(secret+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := newSite(t, oidctest.Options{Secret: secret}, settings)
			b := s.tab()
			if page := string(b.get("/login").Body); !strings.Contains(page, "Log in with Example") {
				t.Errorf("the login page is %s", page)
			}
			address := b.begin()
			if !strings.Contains(address, "prompt=login") || !strings.Contains(address, "scope=openid+groups+offline_access") {
				t.Errorf("the provider is asked by %s", address)
			}
			callback := b.at(address, "ann")
			if p := b.finish(callback); headerOf(p, "Location") != "/ui/api/v1/pods" || !b.session() {
				t.Fatalf("%d %v %s", p.Status, p.Header, p.Body)
			}
			// What the browser has holds nothing of the provider's, and neither
			// does the file, in clear.
			file, err := os.ReadFile(s.sessionFile)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range append([]string{string(file)}, values(b.cookies)...) {
				if jwt.MatchString(text) {
					t.Errorf("a token is in %s", text)
				}
			}
			if len(b.cookies) != 1 {
				t.Errorf("the browser keeps %v", b.cookies)
			}
			if p := s.tab().finish(callback); p.Status != http.StatusUnauthorized {
				t.Errorf("the callback works in another browser: %d", p.Status)
			}
		})
	}
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func TestLoginsThatMustNotWork(t *testing.T) {
	s := newSite(t, oidctest.Options{}, oidc.LoginSettings{})
	const notHere = "not begun in this browser"
	t.Run("begun in another browser", func(t *testing.T) {
		attacker, victim := s.tab(), s.tab()
		callback := attacker.at(attacker.begin(), "ann")
		victim.refused(victim.finish(callback), notHere)
		victim.begin() // even when the victim is about to log in
		victim.refused(victim.finish(callback), notHere)
	})
	t.Run("another state", func(t *testing.T) {
		b := s.tab()
		callback := b.at(b.begin(), "ann")
		u, q := parse(t, callback)
		q.Set("state", "x")
		b.refused(b.finish(u+"?"+q.Encode()), notHere)
	})
	t.Run("another issuer says that it answers", func(t *testing.T) {
		b := s.tab()
		u, q := parse(t, b.at(b.begin(), "ann"))
		q.Set("iss", "https://evil.example")
		b.refused(b.finish(u+"?"+q.Encode()), notHere)
	})
	t.Run("too late", func(t *testing.T) {
		b := s.tab()
		callback := b.at(b.begin(), "ann")
		s.pass(11 * time.Minute)
		b.refused(b.finish(callback), notHere)
	})
	t.Run("a code that was used", func(t *testing.T) {
		b := s.tab()
		callback := b.at(b.begin(), "ann")
		kept := map[string]string{}
		for k, v := range b.cookies {
			kept[k] = v
		}
		b.finish(callback)
		b.cookies = kept
		b.refused(b.finish(callback), "did not confirm")
	})
	t.Run("a code of another login", func(t *testing.T) {
		a, b := s.tab(), s.tab()
		_, stolen := parse(t, a.at(a.begin(), "ann"))
		u, q := parse(t, b.at(b.begin(), "ann"))
		q.Set("code", stolen.Get("code"))
		b.refused(b.finish(u+"?"+q.Encode()), "did not confirm") // PKCE: the verifier is b's
	})
	t.Run("another nonce in the token", func(t *testing.T) {
		s.provider.SetNonce("replayed")
		defer s.provider.SetNonce("")
		b := s.tab()
		b.refused(b.finish(b.at(b.begin(), "ann")), "did not confirm")
	})
	t.Run("a refusal", func(t *testing.T) {
		b := s.tab()
		b.refused(b.finish(b.at(b.begin(), "-")), "The provider says: access_denied.")
	})
	t.Run("an error with a text of its own", func(t *testing.T) {
		b := s.tab()
		u, q := parse(t, b.at(b.begin(), "-"))
		q.Set("error", "call 555 <b>now</b>")
		b.refused(b.finish(u+"?"+q.Encode()), "The provider says: an error.")
	})
	t.Run("a provider that nobody configured", func(t *testing.T) {
		b := s.tab()
		b.refused(b.get("/login/oidc?provider=x"), "not available")
	})
	t.Run("an outage", func(t *testing.T) {
		b := s.tab()
		callback := b.at(b.begin(), "ann")
		s.provider.SetDown(true)
		defer s.provider.SetDown(false)
		b.refused(b.finish(callback), "did not confirm")
	})
	t.Run("somewhere else afterwards", func(t *testing.T) {
		b := s.tab()
		id := strings.Split(strings.Split(string(b.get("/login").Body), "provider=")[1], `"`)[0]
		for _, next := range []string{"//evil.example", "https://evil.example/ui/", "/ui/" + strings.Repeat("x", 1<<13)} {
			address := headerOf(b.get("/login/oidc?next="+next+"&provider="+id), "Location")
			for _, cookie := range b.cookies {
				if len(cookie) > 4000 {
					t.Errorf("a cookie of %d bytes", len(cookie))
				}
			}
			if p := b.finish(b.at(address, "ann")); headerOf(p, "Location") != "/ui/" {
				t.Errorf("sent to %s", headerOf(p, "Location"))
			}
			b = s.tab()
		}
	})
}

func parse(t *testing.T, address string) (path string, q url.Values) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path, u.Query()
}

func TestALoginAtAProviderIsRenewed(t *testing.T) {
	s := newSite(t, oidctest.Options{Life: 5 * time.Minute}, oidc.LoginSettings{})
	b := s.tab()
	b.login("ann")
	for range 10 { // far over the life of an ID token
		if s.pass(2 * time.Minute); !b.session() {
			t.Fatal("the session ended")
		}
	}
	if err := s.provider.Rotate(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s.pass(2 * time.Minute); !b.session() {
			t.Fatal("the session ended with the provider's key")
		}
	}
	// Many requests of one browser at the same time are one renewal: a refresh
	// token is good once.
	s.pass(3*time.Minute + 30*time.Second)
	var wg sync.WaitGroup
	for range 8 {
		other := &tab{s, b.cookies}
		wg.Go(func() {
			r := &request.Request{Method: "GET", Path: "/ui/session", RawPath: "/ui/session", Header: header{http.Header{"Host": {"127.0.0.1:8080"}, "Cookie": {pair(other.cookies)}}}}
			if p, err := s.filter(context.Background(), r); err != nil || p.Status != http.StatusNoContent {
				t.Errorf("the session ended: %v %v", p, err)
			}
		})
	}
	wg.Wait()

	// While the provider is down the token that there is goes on, and no longer.
	s.pass(90 * time.Second)
	if !b.session() {
		t.Fatal("the session ended")
	}
	s.provider.SetDown(true)
	if s.pass(3 * time.Minute); !b.session() {
		t.Error("an outage ended a session whose token is good")
	}
	if s.pass(4 * time.Minute); b.session() {
		t.Error("a session outlived its token")
	}
}

func pair(cookies map[string]string) string {
	for name, value := range cookies {
		return name + "=" + value
	}
	return ""
}

func TestALoginThatTheProviderEnds(t *testing.T) {
	s := newSite(t, oidctest.Options{Life: 5 * time.Minute}, oidc.LoginSettings{})
	b := s.tab()
	b.login("ann")
	s.provider.Revoke()
	if s.pass(2 * time.Minute); !b.session() {
		t.Fatal("the session ended before its token was to be renewed")
	}
	if s.pass(2 * time.Minute); b.session() {
		t.Error("the session goes on")
	}
}

// A link is good once, and its session no longer than the token it was made by.
func TestASessionOfALinkEndsWithTheToken(t *testing.T) {
	s := newSite(t, oidctest.Options{Life: 5 * time.Minute}, oidc.LoginSettings{})
	token, err := s.provider.Token("ann")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"Host": {"127.0.0.1:8080"}, "Authorization": {"Bearer " + token}}
	p, err := s.filter(t.Context(), &request.Request{Method: "POST", Path: "/login/link", RawPath: "/login/link", Header: header{h}})
	if err != nil {
		t.Fatal(err)
	}
	b := s.tab()
	if a := b.get(strings.TrimSpace(string(p.Body))); a.Status != http.StatusSeeOther || !b.session() {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if s.pass(4 * time.Minute); !b.session() {
		t.Error("the session ended before its token")
	}
	if s.pass(2 * time.Minute); b.session() {
		t.Error("the session outlived its token")
	}
}
