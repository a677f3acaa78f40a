package web_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pilothouse/backend/apitest"
)

var shownField = regexp.MustCompile(`name="shown" value="([^"]*)"`)

// R13: without scripts a dialog asks about all of its objects, a page at a time, and
// what has been shown is deleted, whatever matches by then.
func TestADialogWithoutScriptsAsksAboutAll(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}})
	const maps, n = "/api/v1/namespaces/default/configmaps", 505
	make := func(name string) {
		s.Admin().Post(maps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "labels": map[string]any{"all": "yes"}}}).Must(201)
	}
	for i := range n {
		make(fmt.Sprintf("one-%03d", i))
	}
	b := newBrowser(t, strings.TrimSuffix(s.DashboardURL(), "/")).login("ann")
	token := b.found(formToken, b.get("/ui/apply"))
	form := url.Values{"form": {token}, "act": {"delete"}, "list": {"/ui" + maps + "?q=-l+all%3Dyes"}, "all": {"1"}}
	var p answer
	until(t, func() bool {
		p = b.do("POST", "/ui/bulk", form)
		return strings.Contains(p.body, "Delete 505 configmaps?")
	})
	list := func() int { return strings.Count(p.body, "<td><code>default/one-") }
	if p.StatusCode != 200 || list() != 500 || !strings.Contains(p.body, "1 to 500 of 505") || !strings.Contains(p.body, "500 of 500") {
		t.Fatalf("%d: %d rows", p.StatusCode, list())
	}
	form.Set("shown", b.found(shownField, p))
	form.Set("confirm", "1")
	form.Set("from", "500")
	p = b.do("POST", "/ui/bulk", form)
	if list() != 5 || !strings.Contains(p.body, "501 to 505 of 505") || !strings.Contains(p.body, "Previous page") || strings.Contains(p.body, "Next page") {
		t.Errorf("%d rows of the second page", list())
	}
	form.Del("from")
	make("later")
	s.Admin().Delete(maps + "/one-007").Must(200)
	until(t, func() bool { return strings.Contains(b.get("/ui"+maps+"?q=later").body, "later") })
	form.Set("typed", "505")
	form.Set("now", "1")
	p = b.do("POST", "/ui/bulk", form)
	path := p.Header.Get("Location")
	if p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, p.body)
	}
	until(t, func() bool { p = b.get(path); return strings.Contains(p.body, ", done") })
	var left struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	s.Admin().Get(maps + "?labelSelector=all%3Dyes").Must(200).Into(&left)
	if len(left.Items) != 1 || left.Items[0].Metadata.Name != "later" {
		t.Errorf("%+v are left", left)
	}
}
