package pages

import (
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
		if got := strings.Join(changes(a, b), "; "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(m{"spec": m{"n": 1.0}}, m{"spec": m{"n": 2.0}}, "spec.n: 1 → 2")
	f(m{"metadata": m{"resourceVersion": "1"}}, m{"metadata": m{"resourceVersion": "2"}}, "")
	f(m{"l": []any{m{"a": "x"}}}, m{"l": []any{m{"a": "y"}}}, "l[0].a: x → y")
	f(m{}, m{"a": "b"}, "a: (none) → b")
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
