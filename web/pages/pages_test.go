package pages

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// patched is a with a diff of no left-out lines applied: what it says to be
// there has to be there.
func patched(t *testing.T, a, b string) {
	t.Helper()
	x, y := lines(a), lines(b)
	var from, to []string
	for _, l := range edits(x, y) {
		if l.Sign != "+" {
			from = append(from, l.Text)
		}
		if l.Sign != "-" {
			to = append(to, l.Text)
		}
	}
	if strings.Join(from, "\n") != strings.Join(x, "\n") || strings.Join(to, "\n") != strings.Join(y, "\n") {
		t.Errorf("diff of %q and %q is of %q and %q", a, b, from, to)
	}
}

func TestADiffLeadsFromOneTextToTheOther(t *testing.T) {
	for range 2000 {
		text := func() string {
			var b strings.Builder
			for range rand.IntN(12) {
				b.WriteString(string(rune('a'+rand.IntN(4))) + "\n")
			}
			return b.String()
		}
		patched(t, text(), text())
	}
}

func TestADiffShowsWhatIsAround(t *testing.T) {
	a := "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	b := strings.Replace(a, "5\n", "five\n", 1)
	var got strings.Builder
	for _, l := range diff(a, b) {
		got.WriteString(l.Sign + l.Text + ";")
	}
	if want := "…; 2; 3; 4;-5;+five; 6; 7; 8;…;"; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
	if d := diff(a, a); d != nil {
		t.Errorf("the same text differs: %v", d)
	}
}

func TestMerge(t *testing.T) {
	type m = map[string]any
	f := func(base, mine, live, want any, conflicts ...string) {
		t.Helper()
		got, found := merge(base, mine, live, "")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		var fields []string
		for _, c := range found {
			fields = append(fields, c.Field)
		}
		if strings.Join(fields, " ") != strings.Join(conflicts, " ") {
			t.Errorf("conflicts %v, want %v", fields, conflicts)
		}
	}
	f(m{"a": "1"}, m{"a": "2"}, m{"a": "1", "b": "x"}, m{"a": "2", "b": "x"})
	f(m{"a": "1"}, m{"a": "2"}, m{"a": "3"}, m{"a": "3"}, "a")
	f(m{"a": "1"}, m{"a": "2"}, m{"a": "2"}, m{"a": "2"})
	f(m{"a": "1"}, m{}, m{"a": "1", "b": "x"}, m{"b": "x"})
	f(m{"a": "1"}, m{}, m{"a": "2"}, m{"a": "2"}, "a")
	f(m{"a": "1"}, m{"a": "2"}, m{}, m{}, "a")
	f(m{}, m{"a": "1"}, m{"b": "1"}, m{"a": "1", "b": "1"})
	f(m{}, m{"a": "1"}, m{"a": "2"}, m{"a": "2"}, "a")
	f(m{"s": m{"x": "1", "y": "1"}}, m{"s": m{"x": "2", "y": "1"}}, m{"s": m{"x": "1", "y": "2"}}, m{"s": m{"x": "2", "y": "2"}})
	f(m{"s": m{"x": "1"}}, m{"s": m{"x": "2"}}, m{"s": m{"x": "3"}}, m{"s": m{"x": "3"}}, "s.x")
	f(m{"l": []any{"a"}}, m{"l": []any{"a", "b"}}, m{"l": []any{"a"}}, m{"l": []any{"a", "b"}})
	f(m{"l": []any{"a"}}, m{"l": []any{"b"}}, m{"l": []any{"c"}}, m{"l": []any{"c"}}, "l")
	f(m{}, m{"a": "1"}, m{"a": "1"}, m{"a": "1"})
	f(m{"a": "1"}, m{}, m{}, m{})
	c := func(name, image string) any { return m{"name": name, "image": image} }
	f(m{"c": []any{c("a", "1"), c("b", "1")}}, m{"c": []any{c("a", "2"), c("b", "1"), c("d", "1")}}, m{"c": []any{c("x", "1"), c("a", "1"), c("b", "2")}},
		m{"c": []any{c("x", "1"), c("a", "2"), c("b", "2"), c("d", "1")}})
	f(m{"c": []any{c("a", "1")}}, m{"c": []any{c("a", "2")}}, m{"c": []any{c("a", "3")}}, m{"c": []any{c("a", "3")}}, "c[a].image")
	f(m{"c": []any{c("a", "1"), c("b", "1")}}, m{"c": []any{c("b", "1")}}, m{"c": []any{c("a", "1"), c("b", "2")}}, m{"c": []any{c("b", "2")}})
}

func TestAMergeTakesChoices(t *testing.T) {
	type m = map[string]any
	base, mine, live := m{"a": "1", "b": "1", "c": "1", "d": "1", "e": 1.0, "f": 1.0}, m{"a": "2", "b": "2", "c": "2", "d": "2", "e": 2.0, "f": 2.0}, m{"a": "3", "b": "3", "c": "3", "d": "3", "e": 3.0, "f": 3.0}
	choices := map[string][2]string{"a": {ours}, "b": {theirs}, "c": {}, "d": {another, "08"}, "e": {another, "[x, 4]"}, "f": {another, " "}}
	choose := func(field string) (string, string) { return choices[field][0], choices[field][1] }
	got, conflicts, err := mergeBy(base, mine, live, "", choose)
	if want := (m{"a": "2", "b": "3", "c": "2", "d": "08", "e": []any{"x", 4.0}}); err != nil || !reflect.DeepEqual(got, want) || len(conflicts) != 6 {
		t.Errorf("got %v with %v and %v, want %v", got, conflicts, err, want)
	}
	choices["e"] = [2]string{another, "[x"}
	if _, conflicts, err = mergeBy(base, mine, live, "", choose); err == nil || conflicts[4].Own != "[x" {
		t.Errorf("a value that is no YAML is %v with %v", err, conflicts[4])
	}
}

func TestConflictsOfASecret(t *testing.T) {
	secret := func(pairs ...string) map[string]any {
		data := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			data[pairs[i]] = base64.StdEncoding.EncodeToString([]byte(pairs[i+1]))
		}
		return map[string]any{"apiVersion": "v1", "kind": "Secret", "data": data}
	}
	long := strings.Repeat("long ", 4000)
	choose := func(field string) (string, string) {
		return map[string]string{"data.gone": theirs, "data.long": ours}[field], map[string]string{}[field]
	}
	base, mine, live := secret("word", "a", "raw", "\xff", "gone", "x", "long", "l"), secret("word", "b", "raw", "\xff\x01", "gone", "y", "long", long), secret("word", "c", "raw", "text", "long", "other")
	got, found, err := mergeBy(base, mine, live, "", choose)
	if err != nil || len(found) != 4 {
		t.Fatalf("%v, %v", found, err)
	}
	byField := map[string]view.Conflict{}
	for _, c := range found {
		byField[c.Field] = c
	}
	if c := byField["data.word"]; !c.Hidden || c.Base.Text != "a" || c.Mine.Text != "b" || c.Live.Text != "c" || c.Own != "b" {
		t.Errorf("word: %+v", c)
	}
	if c := byField["data.raw"]; !c.Mine.Binary || c.Mine.Bytes != 2 || c.Live.Binary || c.Own != "" {
		t.Errorf("raw: %+v", c)
	}
	if c := byField["data.gone"]; !c.Live.None || c.Mine.Text != "y" {
		t.Errorf("gone: %+v", c)
	}
	if c := byField["data.long"]; c.Own != long || c.Mine.Bytes != len(long) || len(c.Mine.Text) > maxConflict+10 {
		t.Errorf("long: %d bytes to change, %d shown", len(c.Own), len(c.Mine.Text))
	}
	if data := got.(map[string]any)["data"].(map[string]any); data["gone"] != nil || data["long"] != mine["data"].(map[string]any)["long"] {
		t.Errorf("merged to %v", data)
	}
	own, _, _ := mergeBy(base, mine, live, "", func(string) (string, string) { return another, "ü" })
	if !reflect.DeepEqual(own, secret("word", "ü", "raw", "ü", "gone", "ü", "long", "ü")) {
		t.Errorf("other values become %v", own)
	}
}

func TestARewriteKeepsTheText(t *testing.T) {
	const text = `# what it is
kind: ConfigMap # kind
data:
  # the first
  z: "1"
  a: old # of old
list:
- name: b
gone: x
`
	got, ok := rewrite(text, map[string]any{
		"kind": "ConfigMap", "data": map[string]any{"z": "1", "a": "new", "k": "v: w"}, "list": []any{map[string]any{"name": "b"}}, "n": 3,
	})
	const want = `# what it is
kind: ConfigMap # kind
data:
  # the first
  z: "1"
  a: new # of old
  k: 'v: w'
list:
- name: b
"n": 3
`
	if !ok || got != want {
		t.Errorf("got %t\n%s\nwant\n%s", ok, got, want)
	}
	if _, ok := rewrite("a: &x {b: c}\nd: *x\n", map[string]any{"a": map[string]any{"b": "e"}, "d": map[string]any{"b": "c"}}); ok {
		t.Error("what an alias stands for is not changed")
	}
}

func TestPanesStandInRows(t *testing.T) {
	base := "1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\n"
	mine := strings.Replace(strings.Replace(base, "2\n", "two\nand\n", 1), "c\n", "", 1)
	live := strings.Replace(base, "2\n", "zwei\n", 1) + "d\n"
	var got strings.Builder
	for _, r := range panes(base, mine, live) {
		mark := ""
		if r.Conflict {
			mark = "!"
		}
		if r.Gap {
			mark = "…"
		}
		got.WriteString(r.Base + "|" + r.Mine + "|" + r.Live + mark + " ")
	}
	if want := "1|1|1 2|two|zwei! |and|! 3|3|3 4|4|4 5|5|5 ||… 9|9|9 a|a|a b|b|b c||c! ||d! "; got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}

func TestShellQuoting(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for _, s := range []string{"", "app=web", "a b", "it's", `$(x) "y" \z`, "tier in (web,db)", "!a", "*"} {
		out, err := exec.Command(sh, "-c", "printf %s "+shellQuote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	}
}

func TestTheWayAfterALoginStaysHere(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := safeNext(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("/ui/api/v1/pods?q=a", "/ui/api/v1/pods?q=a")
	for _, bad := range []string{"", "/", "//evil.example/ui/", "http://evil.example/ui/", `/ui/\evil`, "/ui/\r\nSet-Cookie: a=b", "/api"} {
		f(bad, "/ui/")
	}
}

func TestAddressesOfObjectsAreEscaped(t *testing.T) {
	path := objectPath(schema.GroupVersionResource{Group: "g", Version: "v1", Resource: "things"}, "n", "a b?c")
	u, err := url.Parse(path)
	if err != nil || u.Path != "/ui/apis/g/v1/namespaces/n/things/a b?c" {
		t.Errorf("%s: %v %v", path, u, err)
	}
}

func TestNamesAreRanked(t *testing.T) {
	f := func(name, q string, want int) {
		t.Helper()
		if got := rank(name, q); got != want {
			t.Errorf("%s %s: got %d, want %d", name, q, got, want)
		}
	}
	f("web", "web", 0)
	f("web-1", "web", 1)
	f("my-web", "web", 2)
	f("wide-berth", "web", 3)
	f("we", "web", -1)
	f("wxe", "we", -1) // two letters fit everywhere
}

func TestARefusalIsExplained(t *testing.T) {
	verb, rest, _ := strings.Cut(`list resource "deployments" in API group "apps" in the namespace "shop"`, " resource ")
	resource, rest := quoted(rest)
	group, rest := quoted(rest)
	namespace, _ := quoted(rest)
	if verb != "list" || resource != "deployments" || group != "apps" || namespace != "shop" {
		t.Error(verb, resource, group, namespace)
	}
}

func TestPagesAreFound(t *testing.T) {
	f := func(method, path, want string) {
		t.Helper()
		p := Find(method, path)
		got := ""
		if p != nil {
			got = p.Path
		}
		if got != want {
			t.Errorf("%s %s: got %q, want %q", method, path, got, want)
		}
	}
	f("GET", "/ui/", "/ui/")
	f("HEAD", "/ui/", "/ui/")
	f("GET", "/ui/nowhere", "")
	f("GET", "/ui/api/v1/pods", "/ui/api/")
	f("POST", "/ui/api/v1/pods", "")
	f("POST", "/ui/jobs/1", "/ui/jobs/")
	for i := range All {
		if p := &All[i]; p.Public && !strings.HasPrefix(p.Path, "/login") {
			t.Errorf("%s needs no login", p.Path)
		}
	}
}

func TestConditionsHaveTones(t *testing.T) {
	f := func(kind, status, want string) {
		t.Helper()
		if got := conditionTone(kind, status); got != want {
			t.Errorf("%s %s: got %q", kind, status, got)
		}
	}
	f("Ready", "True", view.Good)
	f("Ready", "False", view.Warn)
	f("Ready", "Unknown", view.Warn)
	f("MemoryPressure", "False", view.Good)
	f("MemoryPressure", "True", view.Bad)
}

func TestChangesAreNamed(t *testing.T) {
	type m = map[string]any
	f := func(a, b m, want string) {
		t.Helper()
		list, more := changes(a, b)
		var texts []string
		for _, c := range list {
			texts = append(texts, c.String())
		}
		if more > 0 {
			texts = append(texts, fmt.Sprintf("%d more", more))
		}
		if got := strings.Join(texts, "; "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(m{"spec": m{"n": 1.0}}, m{"spec": m{"n": 2.0}}, "spec.n: 1 → 2")
	f(m{"metadata": m{"resourceVersion": "1"}}, m{"metadata": m{"resourceVersion": "2"}}, "")
	f(m{"l": []any{m{"a": "x"}}}, m{"l": []any{m{"a": "y"}}}, "l[0].a: x → y")
	f(m{}, m{"a": "b"}, "a: (none) → b")
	f(m{"a": m{"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1, "7": 1, "8": 1}}, m{"a": m{}},
		"a.1: 1 → (none); a.2: 1 → (none); a.3: 1 → (none); a.4: 1 → (none); a.5: 1 → (none); a.6: 1 → (none); 2 more")
}

func TestWhatAWatchTakes(t *testing.T) {
	f := func(filter, from, want string) {
		t.Helper()
		o, err := feedOptions(filter, from)
		got := o.LabelSelector + "|" + o.FieldSelector + "|" + o.ResourceVersion
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q %q: got %s, want %s", filter, from, got, want)
		}
	}
	f("-l app=web -f metadata.name=x", "", "app=web|metadata.name=x|")
	f("", "17", "||17")
	f("words", "", "a watch takes selectors only: -l and -f")
	f("", "0", `"0" is not a version to watch from: it is a number, like metadata.resourceVersion`)
	f("", "x' y", `"x' y" is not a version to watch from: it is a number, like metadata.resourceVersion`)
}

func TestPositionsOfABrowser(t *testing.T) {
	f := func(text string, position, want int) {
		t.Helper()
		if got := utf16Offset(text, position); got != want {
			t.Errorf("%q %d: got %d, want %d", text, position, got, want)
		}
	}
	f("abc", 2, 2)
	f("äbc", 2, 3)
	f("😀b", 2, 4)
	f("a", 9, 1)
}
