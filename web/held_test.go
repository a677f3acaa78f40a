package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
)

const heldMaps = "/api/v1/namespaces/default/configmaps"

// heldLong has deletions wait until the slowest machine is through with its test.
func heldLong(o *config.Options) { o.Serving.DeletionWait = time.Hour }

var jobAction = regexp.MustCompile(`action="(/ui/jobs/[0-9a-f]+)"`)

// delete asks for an object's deletion as a browser without scripts does, and
// gives the page that it is led to.
func (b *browser) delete(s *apitest.Server, name string, more ...string) answer {
	b.t.Helper()
	uid := s.Admin().Get(heldMaps + "/" + name).Must(200).Object().GetUID()
	page := b.get("/ui" + heldMaps + "/" + name + "?delete=1")
	form := url.Values{"form": {b.found(formToken, page)}, "path": {"/ui" + heldMaps + "/" + name}, "uid": {string(uid)}, "propagation": {"Background"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	p := b.do("POST", "/ui/delete", form)
	if p.StatusCode != 303 {
		return p
	}
	return b.get(p.Header.Get("Location"))
}

func (b *browser) login(user string) *browser {
	b.t.Helper()
	if p := b.do("POST", "/login", url.Values{"token": {"token-" + user}}); p.StatusCode != 303 {
		b.t.Fatalf("%d %s", p.StatusCode, p.body)
	}
	return b
}

func makeMap(s *apitest.Server, name string) {
	s.Admin().Post(heldMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}}).Must(201)
}

// R13: what is held has not been asked of the API; its user alone can undo it.
func TestADeletionIsHeld(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}, {Name: "bob", Groups: []string{"system:masters"}}}, Change: heldLong})
	base := strings.TrimSuffix(s.DashboardURL(), "/")
	b := newBrowser(t, base).login("ann")
	makeMap(s, "held")
	before := s.Admin().Get(heldMaps + "/held").Object()
	list := b.delete(s, "held")
	if !strings.Contains(list.body, "will be deleted in") || !strings.Contains(list.body, "to be deleted") {
		t.Fatal("the list does not say it")
	}
	if page := b.get("/ui" + heldMaps + "/held"); !strings.Contains(page.body, `data-testid="held"`) {
		t.Error("the object's page does not say it")
	}
	action := b.found(jobAction, list)
	other := newBrowser(t, base).login("bob")
	page := other.get("/ui" + heldMaps)
	if strings.Contains(page.body, "to be deleted") {
		t.Error("somebody else sees it")
	}
	if p := other.do("POST", action, url.Values{"form": {b.found(formToken, page)}, "act": {"undo"}}); p.StatusCode != 404 {
		t.Errorf("somebody else got %d", p.StatusCode)
	}
	second := newBrowser(t, base).login("ann")
	page = second.get("/ui" + heldMaps)
	if !strings.Contains(page.body, "to be deleted") || !strings.Contains(page.body, action) {
		t.Fatal("another browser of the user does not say it")
	}
	if p := b.do("POST", "/logout", url.Values{"form": {b.found(formToken, list)}}); p.StatusCode != 303 {
		t.Errorf("logout: %d", p.StatusCode)
	}
	p := second.do("POST", action, url.Values{"form": {b.found(formToken, page)}, "act": {"undo"}, "url": {"/ui" + heldMaps}})
	if p.StatusCode != 303 || p.Header.Get("Location") != "/ui"+heldMaps {
		t.Fatalf("%d %s", p.StatusCode, p.Header.Get("Location"))
	}
	if page := second.get("/ui" + heldMaps); strings.Contains(page.body, "to be deleted") || !strings.Contains(page.body, "Nothing was deleted: ConfigMap held") {
		t.Error("it is not undone")
	}
	after := s.Admin().Get(heldMaps + "/held").Must(200).Object()
	if after.GetUID() != before.GetUID() || after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("it is another object")
	}
	if page := second.delete(s, "held", "now", "1"); !strings.Contains(page.body, "ConfigMap held was deleted.") {
		t.Error("now is not now")
	}
	s.Admin().Get(heldMaps + "/held").Must(404)
	makeMap(s, "other")
	if p := second.delete(s, "other", "now", "1", "uid", "00000000-0000-0000-0000-000000000000"); p.StatusCode != 409 {
		t.Errorf("another object was deleted: %d", p.StatusCode)
	}
	s.Admin().Get(heldMaps + "/other").Must(200)
}

// R13: what is confirmed is done when the server stops, with what was chosen, and as whom it was.
func TestAStopDeletesWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	users := []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}
	s := apitest.Start(t, apitest.Options{Users: users, DataDir: dir, Change: heldLong})
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	makeMap(s, "stopped")
	makeMap(s, "denied")
	b.delete(s, "stopped")
	token := b.found(formToken, b.get("/ui/whoami"))
	if p := b.do("POST", "/ui/as", url.Values{"form": {token}, "user": {"nobody"}}); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, p.body)
	}
	s.Admin().Post("/apis/rbac.authorization.k8s.io/v1/clusterroles", map[string]any{"metadata": map[string]any{"name": "reader"}, "rules": []any{map[string]any{"apiGroups": []string{""}, "resources": []string{"configmaps"}, "verbs": []string{"get", "list", "watch"}}}}).Must(201)
	s.Admin().Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", map[string]any{"metadata": map[string]any{"name": "reader"}, "roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}, "subjects": []any{map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "nobody"}}}).Must(201)
	if page := b.delete(s, "denied"); !strings.Contains(page.body, "will be deleted in") {
		t.Fatalf("%d: it is not held", page.StatusCode)
	}
	s.Stop()
	s = apitest.Start(t, apitest.Options{Users: users, DataDir: dir})
	s.Admin().Get(heldMaps + "/stopped").Must(404)
	s.Admin().Get(heldMaps + "/denied").Must(200)
}
