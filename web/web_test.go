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

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

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
		token := formToken.FindStringSubmatch(b.get("/ui/").body)[1]
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

func TestFilesAreSentInTheFormThatIsAskedFor(t *testing.T) {
	s := apitest.Start(t)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/"))
	page := b.get("/login").body
	script := regexp.MustCompile(`src="(/ui/static/app-[^"]+\.js)"`).FindStringSubmatch(page)[1]
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
