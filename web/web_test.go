package web_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

// browser is a client that keeps cookies and follows nothing.
type browser struct {
	t      *testing.T
	base   string
	cookie string
	client *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	return &browser{t: t, base: base, client: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, header ...string) answer {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.base)
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	p, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Body.Close()
	raw, err := io.ReadAll(p.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if c := p.Header.Get("Set-Cookie"); strings.Contains(c, "pilothouse-") && strings.Contains(c, "HttpOnly") {
		b.cookie, _, _ = strings.Cut(c, ";")
	}
	return answer{p, string(raw)}
}

func (b *browser) get(path string, header ...string) answer { return b.do("GET", path, nil, header...) }

var (
	formToken    = regexp.MustCompile(`name="form" value="([^"]+)"`)
	scriptSource = regexp.MustCompile(`src="(/ui/static/app-[^"]+\.js)"`)
)

// found gives what an expression's group is in a page.
func (b *browser) found(what *regexp.Regexp, p answer) string {
	b.t.Helper()
	m := what.FindStringSubmatch(p.body)
	if m == nil {
		b.t.Fatalf("%d without %s: %s", p.StatusCode, what, p.body)
	}
	return m[1]
}

func TestBothListenersServeTheDashboard(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}})
	for _, base := range []string{strings.TrimSuffix(s.DashboardURL(), "/"), s.URL()} {
		b := newBrowser(t, base)
		if p := b.get("/ui/api/v1/pods"); p.StatusCode != 303 || p.Header.Get("Location") != "/login?next=%2Fui%2Fapi%2Fv1%2Fpods" {
			t.Errorf("%s: %d %s", base, p.StatusCode, p.Header.Get("Location"))
		}
		p := b.do("POST", "/login", url.Values{"token": {"token-ann"}, "next": {"/ui/api/v1/namespaces"}})
		if p.StatusCode != 303 || p.Header.Get("Location") != "/ui/api/v1/namespaces" {
			t.Fatalf("%s: %d %s", base, p.StatusCode, p.body)
		}
		if secure := strings.Contains(p.Header.Get("Set-Cookie"), "__Host-") && strings.Contains(p.Header.Get("Set-Cookie"), "; Secure"); secure != strings.HasPrefix(base, "https") {
			t.Errorf("%s: cookie %s", base, p.Header.Get("Set-Cookie"))
		}
		if p := b.get("/ui/api/v1/namespaces"); p.StatusCode != 200 || !strings.Contains(p.body, ">kube-system</a>") {
			t.Errorf("%s: %d", base, p.StatusCode)
		}
		token := b.found(formToken, b.get("/ui/"))
		if p := b.do("POST", "/logout", url.Values{"form": {token}}); p.StatusCode != 303 {
			t.Errorf("%s: logout %d", base, p.StatusCode)
		}
		if p := b.get("/ui/", "X-Pilothouse", "page"); p.StatusCode != 401 {
			t.Errorf("%s: %d after logout", base, p.StatusCode)
		}
	}
}

// Anyone whom the API knows can log a browser in as themselves, nobody else.
func TestALinkIsForWhoAsks(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "dev"}}})
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/"))
	if p := b.do("POST", "/login/link", nil); p.StatusCode != 401 {
		t.Errorf("anonymous got %d", p.StatusCode)
	}
	if p := b.get("/login/link", "Authorization", "Bearer token-dev"); p.StatusCode != 405 {
		t.Errorf("GET got %d", p.StatusCode)
	}
	p := b.do("POST", "/login/link", nil, "Authorization", "Bearer token-dev")
	if p.StatusCode != 200 {
		t.Fatalf("%d %s", p.StatusCode, p.body)
	}
	link := strings.TrimSpace(p.body)
	if p := b.get(link); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, p.body)
	}
	if p := b.get("/ui/whoami"); p.StatusCode == 200 && !strings.Contains(p.body, ">dev<") {
		t.Error("logged in as someone else")
	}
	if p := b.get("/ui/api/v1/secrets"); p.StatusCode != 403 || !strings.Contains(p.body, "kubectl create clusterrole") {
		t.Errorf("secrets: %d", p.StatusCode)
	}
	if p := b.get(link); p.StatusCode != 401 {
		t.Errorf("the link worked twice: %d", p.StatusCode)
	}
}

// Each kind of answer has a policy, pages that of the specification.
func TestEveryAnswerHasAPolicy(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}, {Name: "dev"}}})
	const page = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-R'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	nonce := regexp.MustCompile(`'nonce-([^']{20,})'`)
	for _, base := range []string{strings.TrimSuffix(s.DashboardURL(), "/"), s.URL()} {
		nobody, ann, dev := newBrowser(t, base), newBrowser(t, base), newBrowser(t, base)
		for b, token := range map[*browser]string{ann: "token-ann", dev: "token-dev"} {
			if p := b.do("POST", "/login", url.Values{"token": {token}}); p.StatusCode != 303 {
				t.Fatalf("%s: %d %s", base, p.StatusCode, p.body)
			}
		}
		script := nobody.found(scriptSource, nobody.get("/login"))
		f := func(b *browser, status int, path string, header ...string) {
			t.Helper()
			if path, ok := strings.CutPrefix(path, "POST "); ok {
				b.check(t, b.do("POST", path, url.Values{"token": {"nobody"}}, header...), status, page, nonce, path)
				return
			}
			b.check(t, b.get(path, header...), status, page, nonce, path)
		}
		f(nobody, 200, "/login")
		f(nobody, 401, "POST /login")
		f(nobody, 303, "/ui/")
		f(nobody, 303, "/ui")
		f(nobody, 401, "/ui/", "X-Pilothouse", "page")
		f(nobody, 404, "/ui/static/nothing")
		f(nobody, 200, script)
		f(nobody, 303, "/openapi/v2", "Accept", "text/html,application/xhtml+xml")
		f(ann, 200, "/ui/")
		f(ann, 200, "/ui/explore")
		f(ann, 404, "/ui/nowhere")
		f(ann, 404, "/ui/api/v1/namespaces/default/pods/none")
		f(ann, 200, "/ui/api/v1/namespaces/default", "X-Pilothouse", "panel")
		f(ann, 200, "/ui/api/v1/namespaces/default?download=1")
		f(ann, 204, "/ui/session")
		f(ann, 403, "POST /ui/theme")
		f(ann, 400, "/ui/audit?since=x")
		f(dev, 403, "/ui/api/v1/secrets")
		f(dev, 200, "/ui/search?q=pod", "Accept-Language", "de")
	}
}

func (b *browser) check(t *testing.T, p answer, status int, page string, nonce *regexp.Regexp, what string) {
	t.Helper()
	policy := p.Header.Get("Content-Security-Policy")
	if p.StatusCode != status || p.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s%s: %d %v", b.base, what, p.StatusCode, p.Header)
	}
	if !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.HasSuffix(policy, "sandbox") {
			t.Errorf("%s%s: %d with %q", b.base, what, p.StatusCode, policy)
		}
		return
	}
	m := nonce.FindStringSubmatch(policy)
	if m == nil || strings.Replace(policy, m[1], "R", 1) != page {
		t.Fatalf("%s%s: %q", b.base, what, policy)
	}
	if strings.Contains(p.body, "<script") && !strings.Contains(p.body, `nonce="`+m[1]+`"`) {
		t.Errorf("%s%s: the page does not have its nonce %s", b.base, what, m[1])
	}
}

func TestFilesAreSentInTheFormThatIsAskedFor(t *testing.T) {
	s := apitest.Start(t)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/"))
	script := b.found(scriptSource, b.get("/login"))
	for accept, want := range map[string]string{"br, gzip": "br", "gzip": "gzip", "": "", "gzip;q=0": ""} {
		p := b.get(script, "Accept-Encoding", accept)
		if p.StatusCode != 200 || p.Header.Get("Content-Encoding") != want || !strings.Contains(p.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%q: %d %v", accept, p.StatusCode, p.Header)
		}
	}
	if p := b.get("/ui/static/app.js"); p.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("a name without a hash: %v", p.Header)
	}
	for _, path := range []string{"/ui/static/nothing", "/ui/static/manifest.json", "/ui/static/"} {
		if p := b.get(path); p.StatusCode != 404 {
			t.Errorf("%s: %d", path, p.StatusCode)
		}
	}
}

// A page whose name was pointed at this machine gets nothing.
func TestOtherNamesGetNothing(t *testing.T) {
	s := apitest.Start(t)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.DashboardURL()+"login", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	p, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	p.Body.Close()
	if p.StatusCode != 403 {
		t.Errorf("got %d", p.StatusCode)
	}
}
