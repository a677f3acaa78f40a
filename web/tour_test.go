package web_test

import (
	"context"
	"errors"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const rbacPath = "/apis/rbac.authorization.k8s.io/v1"

var (
	navPart  = regexp.MustCompile(`(?s)<nav id="nav".*?</nav>`)
	hrefs    = regexp.MustCompile(`href="(/ui/[^"]*)"`)
	auditIDs = regexp.MustCompile(`href="/ui/requests/([0-9a-f-]{36})"`)
)

// links are the addresses of the navigation of a page.
func links(body string) (list []string) {
	for _, m := range hrefs.FindAllStringSubmatch(navPart.FindString(body), -1) {
		list = append(list, html.UnescapeString(m[1]))
	}
	return list
}

func bind(s *apitest.Server, path, name, role, user string) {
	kind := "ClusterRoleBinding"
	if strings.HasPrefix(path, "/namespaces/") {
		kind = "RoleBinding"
	}
	s.Admin().Post(rbacPath+path, map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
		"metadata": map[string]any{"name": name}, "roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}},
	}).Must(201)
}

func toured(t *testing.T) *apitest.Server {
	t.Helper()
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}, {Name: "viewer"}, {Name: "shopper"}, {Name: "nobody"}}})
	for _, ns := range []string{"shop", "hush-ns"} {
		s.Admin().Post("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}}).Must(201)
	}
	for _, ns := range []string{"shop", "hush-ns"} {
		until(t, func() bool { return s.Admin().Get("/api/v1/namespaces/"+ns+"/serviceaccounts/default").Code == 200 })
		name := map[string]string{"shop": "gateway", "hush-ns": "hush-config"}[ns]
		s.Admin().Post("/api/v1/namespaces/"+ns+"/configmaps", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}}).Must(201)
		s.Admin().Post("/api/v1/namespaces/"+ns+"/secrets", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "hush-secret"}, "stringData": map[string]any{"a": "hush-value"}}).Must(201)
	}
	bind(s, "/clusterrolebindings", "viewer", "view", "viewer")
	bind(s, "/namespaces/shop/rolebindings", "shopper", "view", "shopper")
	for _, user := range []string{"viewer", "shopper"} {
		until(t, func() bool { return s.As(user).Get("/api/v1/namespaces/shop/configmaps").Code == 200 })
	}
	return s
}

// R24: the navigation leads only where there is something for the user, and no page
// of it tells of what is not theirs.
func TestTheNavigationIsTheUsers(t *testing.T) {
	s := toured(t)
	for user, want := range map[string]struct{ yes, no []string }{
		"nobody":  {[]string{"/ui/", "/ui/resources", "/ui/explore", "/ui/requests", "/ui/changes"}, []string{"/ui/audit", "/ui/whocan", "/ui/api/v1/pods", "/ui/api/v1/namespaces"}},
		"shopper": {[]string{"/ui/api/v1/pods", "/ui/api/v1/configmaps", "/ui/api/v1/events"}, []string{"/ui/audit", "/ui/whocan", "/ui/api/v1/secrets", "/ui/api/v1/nodes", "/ui/api/v1/namespaces"}},
		"viewer":  {[]string{"/ui/api/v1/pods", "/ui/api/v1/namespaces"}, []string{"/ui/audit", "/ui/api/v1/secrets", "/ui/api/v1/nodes"}},
		"ann":     {[]string{"/ui/audit", "/ui/whocan", "/ui/api/v1/secrets", "/ui/api/v1/nodes"}, nil},
	} {
		b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login(user)
		home := b.get("/ui/")
		list := links(home.body)
		for _, path := range want.yes {
			if !slices.Contains(list, path) {
				t.Errorf("%s: no way to %s", user, path)
			}
		}
		for _, path := range want.no {
			if slices.Contains(list, path) {
				t.Errorf("%s: a way to %s", user, path)
			}
		}
		if user != "ann" != strings.Contains(home.body, "not yours to list") {
			t.Errorf("%s: what is left out is not told", user)
		}
		for _, path := range append(list, "/ui/access", "/ui/whoami", "/ui/sessions", "/ui/apply", "/ui/search?q=hush") {
			p := b.get(path)
			if p.StatusCode != 200 {
				t.Errorf("%s: %s is %d", user, path, p.StatusCode)
			}
			if strings.Contains(p.body, "hush-value") || (user == "shopper" || user == "nobody") && strings.Contains(strings.ReplaceAll(p.body, "q=hush", ""), "hush-") {
				t.Errorf("%s: %s tells of what is not theirs", user, path)
			}
		}
	}
}

// until waits for a condition.
func until(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// missing is how a page names a right that somebody lacks.
func missing(verb, resource string) string {
	return `<b translate="no">` + verb + `</b> on <b translate="no">` + resource + `</b>`
}

// R24: what would be refused says so before, with what would grant it, and its
// buttons do nothing.
func TestWhatWouldBeRefusedSaysSoBefore(t *testing.T) {
	s := toured(t)
	s.Admin().Post("/apis/apps/v1/namespaces/shop/deployments", map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"replicas": 0, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}, "template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "web", "image": "web:1"}}}}},
	}).Must(201)
	base := strings.TrimSuffix(s.DashboardURL(), "/")
	b, nobody := newBrowser(t, base).login("shopper"), newBrowser(t, base).login("nobody")
	f := func(b *browser, path string, want ...string) {
		t.Helper()
		p := b.get(path)
		for _, text := range want {
			if !strings.Contains(p.body, text) {
				t.Errorf("%s: %d without %s", path, p.StatusCode, text)
			}
		}
	}
	const disabled = " disabled"
	f(b, "/ui/api/v1/namespaces/shop/configmaps/gateway?edit=1", missing("update", "configmaps"), "data-save"+disabled)
	f(b, "/ui/api/v1/namespaces/shop/configmaps/gateway?delete=1", missing("delete", "configmaps"), `data-testid="confirm"`+disabled)
	f(b, "/ui/apis/apps/v1/namespaces/shop/deployments/web?act=restart", missing("patch", "deployments"), `data-testid="confirm"`+disabled)
	f(b, "/ui/whoami", missing("impersonate", "users"), "--verb=impersonate --resource=users")
	f(b, "/ui/whocan", missing("list", "clusterroles"))
	f(b, "/ui/access", "What can I do", "shop")
	f(b, "/ui/search?q=gateway", "/ui/api/v1/namespaces/shop/configmaps/gateway")
	f(b, "/ui/search?q=secrets", "not yours to list")
	f(b, "/ui/changes", "/ui/api/v1/namespaces/shop/configmaps/gateway")
	f(nobody, "/ui/", "no role lets you list", "kubectl create rolebinding NAME -n NAMESPACE --clusterrole=view --user=nobody")
	f(nobody, "/ui/logs", "This is not valid", "need a namespace")
	for _, path := range []string{"/ui/api/v1/secrets", "/ui/api/v1/namespaces/hush-ns/configmaps"} {
		p := b.get(path)
		if p.StatusCode != 403 || strings.Contains(p.body, "data-list=") || strings.Contains(p.body, "view=watch") || !strings.Contains(p.body, "This would grant it") {
			t.Errorf("%s: %d has buttons that can only fail", path, p.StatusCode)
		}
		if strings.Contains(p.body, `id="namespaces"`) && strings.HasSuffix(path, "secrets") {
			t.Errorf("%s offers namespaces in which nothing can be listed", path)
		}
	}
	for _, path := range []string{"/ui/requests", "/ui/changes", "/ui/api/v1/namespaces/shop/configmaps/gateway?tab=history", "/ui/api/v1/namespaces/shop/configmaps/gateway?tab=access"} {
		if strings.Contains(b.get(path).body, `href="/ui/audit`) {
			t.Errorf("%s leads to the audit journal", path)
		}
	}
}

// R24: characters that hide do not: not in lists, nor in what a dialog asks.
func TestNamesCannotDisguiseThemselves(t *testing.T) {
	s := toured(t)
	const name, shown = "x\u202enimda\u200b", "x[U+202E]nimda[U+200B]"
	s.Admin().Post(rbacPath+"/clusterroles", map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": name}, "rules": []any{}}).Must(201)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	path := "/ui" + rbacPath + "/clusterroles/" + url.PathEscape(name)
	for _, p := range []string{"/ui" + rbacPath + "/clusterroles", path, path + "?tab=yaml", path + "?tab=history", path + "?delete=1", "/ui/search?q=nimda", "/ui/changes", "/ui/requests?what=all"} {
		body := b.get(p).body
		if !strings.Contains(body, shown) {
			t.Errorf("%s: the name is not shown as it is", p)
		}
		if text := regexp.MustCompile(`<textarea[^>]*>[^<]*|<[^>]*>`).ReplaceAllString(body, ""); strings.ContainsAny(text, "\u202e\u200b") {
			t.Errorf("%s: the name hides something", p)
		}
	}
	if body := b.get(path + "?delete=1").body; !strings.Contains(html.UnescapeString(body), `$'x\u202Enimda\u200B'`) {
		t.Error("the command does not say the name")
	}
	if edit := b.get(path + "?edit=1").body; !strings.Contains(edit, name) {
		t.Error("the editor has another name")
	}
}

// Section 9: a part that fails says what and why beside it; the rest of the page
// stands.
func TestPartsOfAPageFailAlone(t *testing.T) {
	s := toured(t)
	// The objects of a type whose converter is not there cannot be read.
	version := func(name string, storage bool) any {
		return map[string]any{"name": name, "served": true, "storage": storage, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}
	}
	crd := map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "ships.example.org"},
		"spec": map[string]any{
			"group": "example.org", "scope": "Namespaced", "names": map[string]any{"plural": "ships", "singular": "ship", "kind": "Ship", "listKind": "ShipList"},
			"versions":   []any{version("v1", false), version("v1beta1", true)},
			"conversion": map[string]any{"strategy": "Webhook", "webhook": map[string]any{"conversionReviewVersions": []any{"v1"}, "clientConfig": map[string]any{"url": "https://127.0.0.1:1/convert"}}},
		},
	}
	s.Admin().Post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).Must(201)
	ship := map[string]any{"apiVersion": "example.org/v1beta1", "kind": "Ship", "metadata": map[string]any{"name": "one"}}
	until(t, func() bool { return s.Admin().Post("/apis/example.org/v1beta1/namespaces/shop/ships", ship).Code < 300 })
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	p := b.get("/ui/apis/example.org/v1/ships")
	id := auditIDs.FindStringSubmatch(p.body)
	if p.StatusCode != 500 || !strings.Contains(p.body, "conversion webhook") || !strings.Contains(p.body, "Try again") || !strings.Contains(p.body, "data-list=") || id == nil {
		t.Fatalf("the list is %d", p.StatusCode)
	}
	if p := b.get("/ui/requests/" + id[1]); p.StatusCode != 200 || !strings.Contains(p.body, "ships") {
		t.Errorf("nobody knows the audit id that is shown: %d", p.StatusCode)
	}
}

// failing is an API of which a part answers otherwise.
type failing struct {
	mu sync.Mutex
	// of is the beginning of a path, err what requests for it get; without err they get
	// nothing until they are given up.
	of  string
	err error
}

func (f *failing) set(of string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of, f.err = of, err
}

func (f *failing) filter(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		f.mu.Lock()
		of, err := f.of, f.err
		f.mu.Unlock()
		switch {
		case of == "" || !strings.HasPrefix(r.Path, of):
			return next(ctx, r)
		case err == nil:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, err
	}
}

// Section 9: whatever the API answers, the page says it beside its cause, with its
// reason and the audit id, and offers to ask again where that may help; what does
// not depend on it stands.
func TestAnAPIThatFailsIsTold(t *testing.T) {
	s := toured(t)
	api := &failing{}
	s.BetweenDashboard(api.filter)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	const maps, settings = "/api/v1/namespaces/shop/configmaps", "/ui/api/v1/namespaces/shop/configmaps/gateway"
	has := func(path string, status int, want ...string) {
		t.Helper()
		p := b.get(path)
		if p.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, p.StatusCode, status)
		}
		for _, text := range want {
			if !strings.Contains(p.body, text) {
				t.Errorf("%s: %d without %s", path, p.StatusCode, text)
			}
		}
	}
	gr := schema.GroupResource{Resource: "configmaps"}
	for _, one := range []struct {
		err    error
		status int
		want   []string
	}{
		{apierrors.NewTooManyRequests("too many requests, please try again later", 7), 429, []string{"The server has too much to do", "TooManyRequests", `data-countdown="7000"`, "data-again"}},
		{apierrors.NewServiceUnavailable("the sea is rough"), 503, []string{"The server does not answer now", "the sea is rough", "ServiceUnavailable", "data-again"}},
		{apierrors.NewInternalError(errors.New("the sea is rough")), 500, []string{"the sea is rough", "InternalError", "data-again"}},
		{apierrors.NewTimeoutError("it took too long", 3), 504, []string{"it took too long", "Timeout", `data-countdown="3000"`}},
		{apierrors.NewForbidden(gr, "gateway", errors.New(`User "ann" cannot get resource "configmaps" in API group "" in the namespace "shop"`)), 403, []string{"You may not do this", "Forbidden", "This would grant it"}},
		{apierrors.NewNotFound(gr, "gateway"), 404, []string{"Not found", "NotFound"}},
	} {
		api.set(maps, one.err)
		has(settings, one.status, append(one.want, "audit id")...)
		if one.status < 429 {
			if strings.Contains(b.get(settings).body, "data-again") {
				t.Errorf("%d: asking again would not help", one.status)
			}
			continue
		}
		has("/ui"+maps, one.status, append(one.want, "audit id", "data-list=")...)
		has("/ui/api/v1/namespaces/shop/serviceaccounts/default?tab=related", 200, "1 type was not looked at", one.err.Error())
		has("/ui/search?q=default", 200, "/ui/api/v1/namespaces/default")
	}
	api.set("/api/v1/configmaps", apierrors.NewServiceUnavailable("the sea is rough"))
	has("/ui/search?q=default", 200, "/ui/api/v1/namespaces/default", "Not looked through, since they do not answer: configmaps")
	api.set("/api/v1/events", apierrors.NewServiceUnavailable("the sea is rough"))
	has("/ui/", 200, "the sea is rough", `aria-label="Nodes"`)
	// What never answers holds a page up for a moment, not for good, and is not asked
	// again at once.
	api.set("/api/v1/namespaces/shop/secrets", nil)
	began := time.Now()
	has("/ui/api/v1/namespaces/shop/serviceaccounts/default?delete=1", 200, "nothing of what you may list", "no answer in time")
	has("/ui/api/v1/namespaces/shop/serviceaccounts/default?delete=1", 200, "no answer in time")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("two pages took %s", took)
	}
	// A form keeps what was written.
	token := b.found(formToken, b.get(settings+"?edit=1"))
	api.set("/api/v1/namespaces/shop/configmaps/gateway", nil)
	api.set("", nil)
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: gateway\n  namespace: shop\ndata:\n  mine: kept\n"
	s.Admin().Post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": map[string]any{"name": "gone"},
		"webhooks": []any{map[string]any{
			"name": "gone.example.org", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "failurePolicy": "Fail", "clientConfig": map[string]any{"url": "https://127.0.0.1:1/admit"},
			"rules": []any{map[string]any{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"UPDATE"}, "resources": []any{"configmaps"}}},
		}},
	}).Must(201)
	version := s.Admin().Get(maps + "/gateway").Object().GetResourceVersion()
	var p answer
	until(t, func() bool {
		p = b.do("POST", "/ui/save", url.Values{"form": {token}, "path": {settings}, "base": {"x: y\n"}, "version": {version}, "text": {text}})
		return p.StatusCode == 500
	})
	for _, want := range []string{"failed calling webhook", "gone.example.org", "InternalError", "mine: kept"} {
		if !strings.Contains(html.UnescapeString(p.body), want) {
			t.Errorf("the editor has no %s", want)
		}
	}
	if id := auditIDs.FindStringSubmatch(p.body); id == nil || b.get("/ui/requests/"+id[1]).StatusCode != 200 {
		t.Errorf("nobody knows the audit id that is shown: %v", id)
	}
}

// R24: what is copied into a shell is one word for each name, whatever the name is.
func TestNamesAreWordsOfAShell(t *testing.T) {
	s := toured(t)
	const name = "x; $(id) `id` 'y"
	s.Admin().Post(rbacPath+"/clusterroles", map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": name}, "rules": []any{}}).Must(201)
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	path := "/ui" + rbacPath + "/clusterroles/" + url.PathEscape(name)
	lines := regexp.MustCompile(`(?s)<code[^>]* data-(?:same="kubectl"|command)[^>]*>(.*?)</code>`)
	for _, p := range []string{path, path + "?tab=yaml", path + "?tab=access", path + "?tab=history", path + "?delete=1"} {
		found := lines.FindAllStringSubmatch(b.get(p).body, -1)
		if len(found) == 0 {
			t.Errorf("%s has no command", p)
		}
		for _, m := range found {
			if line := html.UnescapeString(m[1]); strings.Contains(line, "id") && !strings.Contains(line, `'x; $(id) `+"`id`"+` '\''y'`) {
				t.Errorf("%s: %s", p, line)
			}
		}
	}
	for _, p := range []string{"/ui/api/v1/namespaces/$(id)/pods", "/ui/logs?ns=$(id)", "/ui/logs?ns=a,b'%3bid%3b&except=1", "/ui/access?ns=$(id)&verb=$(id)&resource=$(id)", "/ui/api/v1/namespaces/shop/configmaps/gateway?tab=logs&container=$(id)"} {
		for _, m := range regexp.MustCompile(`(?s)<code[^>]*>(kubectl.*?)</code>`).FindAllStringSubmatch(b.get(p).body, -1) {
			if line := html.UnescapeString(m[1]); regexp.MustCompile(`(^|[^'])\$\(id\)|[^\\]';id`).MatchString(strings.ReplaceAll(line, `'\''`, "")) {
				t.Errorf("%s: %s", p, line)
			}
		}
	}
}
