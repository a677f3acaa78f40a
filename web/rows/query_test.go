package rows

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

func TestFiltersAreRead(t *testing.T) {
	f := func(in, words, not, selector, fields string) {
		t.Helper()
		got, err := ParseFilter(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			return
		}
		if strings.Join(got.Words, " ") != words || strings.Join(got.Not, " ") != not || got.Labels.String() != selector || got.Fields != fields {
			t.Errorf("%q: got %+v", in, got)
		}
	}
	f("", "", "", "", "")
	f("Web 10.1 !Istio", "web 10.1", "istio", "", "")
	f("-l app=a,tier in (web, db)", "", "", "app=a,tier in (db,web)", "")
	f("-l app=a web", "web", "", "app=a", "")
	f("web -l app=a -f status.phase!=Running", "web", "", "app=a", "status.phase!=Running")
	f("-l !gone", "", "", "!gone", "")
	f("-f a=b -f c=d", "", "", "", "a=b,c=d")
	for _, bad := range []string{"-l", "-f", "-l app=(", "-f nothing", "-l -f a=b", "-l app in web", "-l app notin (a", "-l app=a,tier in b c"} {
		if got, err := ParseFilter(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{"web !x -l a=b,c in (d) -f e!=f", "-l", "! !! -l -f", "-l a notin (b)  x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFilter(text)
		if err != nil {
			return
		}
		q := Query{Filter: got}
		q.picks(&Row{search: "x"})
		if got.Labels == nil || q.String() == "" {
			t.Errorf("%q became %+v", text, got)
		}
	})
}

func TestValuesHaveTheirNaturalOrder(t *testing.T) {
	for _, want := range [][]string{
		{"web-1", "web-2", "web-10"},
		{"0", "3 (5m ago)", "14 (2h ago)"},
		{"5s", "90s", "3m", "2h5m", "2d", "1y2d"},
		{"0/1", "1/1", "2/10", "10/10"},
		{"a", "B", "c", "<none>"},
		{"10.0.0.2", "10.0.0.10", "10.0.1.0"},
		{"100m", "1Gi", "<unknown>"},
	} {
		got := slices.Clone(want)
		slices.Reverse(got)
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAQueryPicks(t *testing.T) {
	r := &Row{Namespace: "shop", Name: "web", Labels: labels.Set{"app": "web"}, search: "shop/web running app=web"}
	f := func(q Query, want bool) {
		t.Helper()
		if got := q.picks(r); got != want {
			t.Errorf("%s: %t", q.String(), got)
		}
	}
	f(Query{}, true)
	f(Query{Namespaces: []string{"shop"}}, true)
	f(Query{Namespaces: []string{"shop"}, Except: true}, false)
	f(Query{Namespaces: []string{"other"}}, false)
	f(Query{Namespaces: []string{"other"}, Except: true}, true)
	f(Query{Filter: Filter{Words: []string{"running", "web"}}}, true)
	f(Query{Filter: Filter{Not: []string{"running"}}}, false)
	f(Query{Filter: Filter{Labels: labels.SelectorFromSet(labels.Set{"app": "db"})}}, false)
}
