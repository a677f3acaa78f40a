package web_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/apitest"
)

var (
	seenFields = regexp.MustCompile(`name="(seen\.\d+)" value="([^"]*)"`)
	tags       = regexp.MustCompile(`<[^>]*>`)
	spaces     = regexp.MustCompile(`\s+`)
)

// applies is a form of /ui/apply for a text.
func (b *browser) applies(text string) url.Values {
	b.t.Helper()
	token := b.found(formToken, b.get("/ui/apply"))
	return url.Values{"form": {token}, "namespace": {"default"}, "text": {text}, "act": {"save"}}
}

// reviewed is such a form when its review has been seen.
func (b *browser) reviewed(text string) url.Values {
	b.t.Helper()
	form := b.applies(text)
	form.Set("act", "review")
	for _, m := range seenFields.FindAllStringSubmatch(b.do("POST", "/ui/apply", form).body, -1) {
		form.Set(m[1], m[2])
	}
	form.Set("act", "save")
	return form
}

// apply sends a form and gives the page of the work.
func (b *browser) apply(form url.Values) (page answer, path string) {
	b.t.Helper()
	p := b.do("POST", "/ui/apply", form)
	path = p.Header.Get("Location")
	if p.StatusCode != 303 || !strings.HasPrefix(path, "/ui/jobs/") {
		b.t.Fatalf("%d to %q: %s", p.StatusCode, path, p.body)
	}
	return b.get(path), path
}

// rows are the texts of a page's documents.
func rows(p answer) (list []string) {
	_, table, _ := strings.Cut(p.body, `data-testid="documents"`)
	table, _, _ = strings.Cut(table, "</table>")
	for _, row := range strings.Split(table, "<tr")[1:] {
		list = append(list, strings.TrimSpace(spaces.ReplaceAllString(tags.ReplaceAllString("<"+row, " "), " ")))
	}
	return list[min(1, len(list)):]
}

func configMap(name, data string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}\n", name, data)
}

// R15: of two who create one object at the same moment one is told, and nothing of
// theirs is in it.
func TestOfTwoWhoCreateOneObjectOneIsTold(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}}})
	base := strings.TrimSuffix(s.DashboardURL(), "/")
	two := []*browser{newBrowser(t, base).login("ann"), newBrowser(t, base).login("ann")}
	for i := range 15 {
		name := fmt.Sprintf("both-%d", i)
		forms := []url.Values{two[0].reviewed(configMap(name, "first: a")), two[1].reviewed(configMap(name, "second: b"))}
		pages, told := make([]answer, 2), make([]string, 2)
		var both sync.WaitGroup
		for n, b := range two {
			both.Go(func() {
				p := b.do("POST", "/ui/apply", forms[n])
				told[n] = p.Header.Get("Location")
			})
		}
		both.Wait()
		for n, b := range two {
			until(t, func() bool {
				pages[n] = b.get(told[n])
				return !strings.Contains(pages[n].body, `data-testid="cancel"`)
			})
		}
		created, conflicts := 0, 0
		for _, p := range pages {
			text := strings.Join(rows(p), "|")
			created += strings.Count(text, "created")
			conflicts += strings.Count(text, "conflict")
		}
		data, _, _ := unstructuredMap(s, name)
		if created != 1 || conflicts != 1 || len(data) != 1 {
			t.Fatalf("%s: created %d times, %d conflicts: %v\n%q\n%q", name, created, conflicts, data, rows(pages[0]), rows(pages[1]))
		}
	}
}

func unstructuredMap(s *apitest.Server, name string) (data map[string]any, version string, managers []string) {
	o := s.Admin().Get("/api/v1/namespaces/default/configmaps/" + name).Must(200).Object()
	data, _ = o.Object["data"].(map[string]any)
	for _, m := range o.GetManagedFields() {
		managers = append(managers, m.Manager+" "+string(m.Operation))
	}
	return data, o.GetResourceVersion(), managers
}

// R17: the documents of an apply are a job: it goes on without its page, is told of
// elsewhere, and can be cancelled; what failed or was not begun is gone on with.
func TestAnApplyIsAJob(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}, {Name: "bob", Groups: []string{"system:masters"}}}})
	base := strings.TrimSuffix(s.DashboardURL(), "/")
	b := newBrowser(t, base).login("ann")
	// A definition that is refused has what needs it wait, as long as nobody cancels.
	text := strings.Join([]string{
		configMap("first", "a: b"), configMap("bad", "a: [1]"),
		"apiVersion: example.com/v1\nkind: Late\nmetadata: {name: late}\n",
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: last}\nspec: {defaultBackend: {service: {name: a, port: {number: 80}}}}\n",
		"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: wrong}\nspec: {group: example.com, scope: Namespaced, names: {kind: Late, plural: lates}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n",
	}, "---\n")
	p, path := b.apply(b.reviewed(text))
	until(t, func() bool {
		p = b.get(path)
		return strings.Contains(p.body, "in progress") && strings.Contains(p.body, "3 of 5")
	})
	want := []string{`^1 ConfigMap first default ● created$`, `^2 ConfigMap bad default ✖ refused .*expected string`, `^3 Late late default ▲ in progress$`, `^4 Ingress last default not begun$`, `^5 CustomResourceDefinition wrong ✖ refused .*must be`}
	same := func(p answer, want []string) {
		t.Helper()
		list := rows(p)
		if len(list) != len(want) {
			t.Fatalf("%d rows: %q", len(list), list)
		}
		for i := range want {
			if !regexp.MustCompile(want[i]).MatchString(list[i]) {
				t.Errorf("%q instead of %q", list[i], want[i])
			}
		}
	}
	same(p, want)
	if strings.Contains(p.body, "<textarea") || strings.Contains(p.body, `data-testid="retry"`) {
		t.Error("one writes on while it goes on")
	}
	if other := b.get("/ui/api/v1/services"); !strings.Contains(other.body, "5 documents are being applied: 3 of 5.") {
		t.Error("it is not told of elsewhere")
	}
	if p := newBrowser(t, base).login("bob").get(path); p.StatusCode != 404 {
		t.Errorf("others see it: %d", p.StatusCode)
	}
	token := url.Values{"form": {b.found(formToken, p)}}
	if p := b.do("POST", path, token); p.StatusCode != 303 {
		t.Fatalf("%d", p.StatusCode)
	}
	until(t, func() bool { p = b.get(path); return strings.Contains(p.body, "cancelled") })
	want[2], want[3] = `^3 Late late default ✖ refused .*no kind Late`, `^4 Ingress last default not begun$`
	for i := range want {
		if strings.Contains(want[i], "refused") {
			want[i] += ".* Retry$"
		}
	}
	same(p, want)
	if !strings.Contains(p.body, "kind: Ingress") || !strings.Contains(p.body, `value="2,3,5"`) {
		t.Errorf("the text is gone, or what failed")
	}
	if csv := b.get(path + "?export=1").body; !strings.Contains(csv, "ConfigMap default/first,done,") || !strings.Contains(csv, "Ingress default/last,not begun,") || !strings.Contains(csv, "CustomResourceDefinition wrong,failed,") {
		t.Error(csv)
	}
	// What was not begun alone.
	form := b.applies(text)
	form.Del("act")
	form.Set("only", "4")
	p, path = b.apply(form)
	until(t, func() bool { p = b.get(path); return strings.Contains(p.body, "1 of 1, done") })
	same(p, []string{`^4 Ingress last default ● created$`})
	if !strings.Contains(p.body, "4 other documents were left as they are.") {
		t.Error("it is not told that others were left")
	}
	if data, _, managers := unstructuredMap(s, "first"); len(data) != 1 || !slices.Equal(managers, []string{"pilothouse-dashboard Apply"}) {
		t.Errorf("%v of %v", data, managers)
	}
}
