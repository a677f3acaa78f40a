package registry

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

func TestListSelectors(t *testing.T) {
	onEachEngine(t, func(e *env) {
		add := func(ns, name, node, phase string, l map[string]string) {
			p := pod(name, node)
			p.Namespace, p.Labels = ns, l
			e.create(p)
			if phase != "" {
				o := change(func(p *corev1.Pod) { p.Status.Phase = corev1.PodPhase(phase) })
				o.Strategy = e.store("pods").Resource().Subresources[0].Strategy
				_, err := e.store("pods").Update(e.ctx, ns, name, o)
				e.must(err)
			}
		}
		add("a", "web-prod", "n1", "", map[string]string{"app": "web", "env": "prod", "size": "10"})
		add("a", "web-test", "n2", "Running", map[string]string{"app": "web", "env": "test", "size": "200"})
		add("a", "bare", "", "", nil)
		add("b", "bare", "n1", "Running", map[string]string{"app": "db", "size": "big"})

		f := func(ns, ls, fs string, want ...string) {
			t.Helper()
			o := ListOptions{Namespace: ns}
			if ls != "" {
				o.Labels = labelSelector(t, ls)
			}
			if fs != "" {
				o.Fields = fieldSelector(t, fs)
			}
			got := []string{}
			for _, item := range e.list(e.store("pods"), o).Items {
				got = append(got, item.Key)
			}
			e.equal(got, append([]string{}, want...))
		}
		f("", "", "", "a/bare", "a/web-prod", "a/web-test", "b/bare")
		f("b", "", "", "b/bare")
		f("none", "", "")
		f("a", "app=web", "", "a/web-prod", "a/web-test")
		f("a", "app=web,env!=prod", "", "a/web-test")
		f("a", "env!=prod", "", "a/bare", "a/web-test")
		f("", "app in (web,db)", "", "a/web-prod", "a/web-test", "b/bare")
		f("", "app notin (web)", "", "a/bare", "b/bare")
		f("", "env", "", "a/web-prod", "a/web-test")
		f("", "!env", "", "a/bare", "b/bare")
		f("", "size>50", "", "a/web-test")
		f("", "size<50", "", "a/web-prod")
		f("", "", "metadata.name=bare", "a/bare", "b/bare")
		f("", "", "metadata.name=bare,metadata.namespace=b", "b/bare")
		f("a", "", "metadata.name=bare", "a/bare")
		f("a", "app", "metadata.name=bare")
		f("a", "", "metadata.namespace=b")
		f("a", "", "metadata.name!=bare", "a/web-prod", "a/web-test")
		f("", "", "metadata.namespace!=a", "b/bare")
		f("", "", "metadata.name=a,metadata.name=b")
		f("", "", "metadata.name=../b")
		f("", "", "spec.nodeName=n1", "a/web-prod", "b/bare")
		f("a", "", "spec.nodeName=n1", "a/web-prod")
		f("", "", "spec.nodeName=", "a/bare")
		f("", "", "spec.nodeName!=n1", "a/bare", "a/web-test")
		f("", "", "status.phase=Running", "a/web-test", "b/bare")
		f("", "app=db", "spec.nodeName=n1,status.phase!=Pending", "b/bare")

		_, err := e.store("pods").List(e.ctx, ListOptions{Fields: fieldSelector(t, "spec.hostname=x")})
		e.refused(err, 400, "field label not supported: spec.hostname")
		_, err = e.cms().List(e.ctx, ListOptions{Fields: fieldSelector(t, "data.k=x")})
		e.refused(err, 400, `"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"`)
		e.equal(len(e.list(e.store("pods"), ListOptions{Labels: labels.Nothing()}).Items), 0)
	})
}

func TestLabelTestsAgreeWithApimachinery(t *testing.T) {
	sets := []map[string]string{nil, {"k": ""}, {"k": "a"}, {"k": "b", "x": "y"}, {"x": "y"}, {"k": "7"}, {"k": "-7"}, {"k": "007"}, {"k": "99999999999999999999"}}
	for _, op := range []selection.Operator{selection.Equals, selection.DoubleEquals, selection.NotEquals, selection.In, selection.NotIn, selection.Exists, selection.DoesNotExist, selection.GreaterThan, selection.LessThan} {
		for _, values := range [][]string{nil, {""}, {"a"}, {"a", "b"}, {"5"}, {"-9"}, {"a", "7"}} {
			r, err := labels.NewRequirement("k", op, values)
			if err != nil {
				continue
			}
			test := labelTest(*r)
			for _, set := range sets {
				o := &watchcache.Object{Labels: labelsOf(set)}
				if got, want := test(o), r.Matches(labels.Set(set)); got != want {
					t.Errorf("%s on %v: got %t", r, set, got)
				}
			}
		}
	}
}

func TestListInPages(t *testing.T) {
	onEachEngine(t, func(e *env) {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			c := configMap(name)
			c.Labels = map[string]string{"half": map[bool]string{true: "first", false: "second"}[name < "d"]}
			e.create(c)
		}
		other := configMap("a")
		other.Namespace = "other"
		e.create(other)
		page := func(limit int64, token, ls string, want string, more bool, remaining int64) string {
			t.Helper()
			o := ListOptions{Namespace: "ns", Limit: limit, Continue: token}
			if ls != "" {
				o.Labels = labelSelector(t, ls)
			}
			l := e.list(e.cms(), o)
			e.equal(strings.Join(names(l.Items), " "), want)
			e.equal(l.Continue != "", more)
			if remaining < 0 && l.Remaining != nil || remaining >= 0 && (l.Remaining == nil || *l.Remaining != remaining) {
				t.Fatalf("got %v remaining, want %d", l.Remaining, remaining)
			}
			return l.Continue
		}
		first := page(2, "", "", "a b", true, 3)
		_, err := e.cms().Delete(e.ctx, "ns", "c", DeleteOptions{})
		e.must(err)
		second := page(2, first, "", "c d", true, 1)
		page(2, second, "", "e", false, -1)
		page(0, first, "", "c d e", false, -1)
		page(1, "", "half=first", "a", true, -1)
		page(4, "", "", "a b d e", false, -1)
		page(-1, "", "", "a b d e", false, -1)
		page(2, encodeContinue("b", "", -1), "", "d e", false, -1)

		all := e.list(e.cms(), ListOptions{Limit: 3})
		e.equal(names(all.Items), "[a b d]")
		rest := e.list(e.cms(), ListOptions{Limit: 3, Continue: all.Continue})
		e.equal([]any{names(rest.Items), rest.Items[1].Namespace, rest.Revision}, []any{"[e a]", "other", all.Revision})

		refused := func(o ListOptions, code int32, message string) {
			t.Helper()
			o.Namespace = "ns"
			_, err := e.cms().List(e.ctx, o)
			e.refused(err, code, message)
		}
		refused(ListOptions{Continue: first, ResourceVersion: "5"}, 400, "specifying resource version is not allowed when using continue")
		page(2, first, "", "c d", true, 1)
		refused(ListOptions{Continue: "!!!"}, 400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0")
		token := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		refused(ListOptions{Continue: token("not-json")}, 400, "invalid continue token: continue key is not valid: invalid character 'o' in literal null (expecting 'u')")
		refused(ListOptions{Continue: token(`{"v":"meta.k8s.io/v7","rv":5,"start":"a"}`)}, 400, "invalid continue token: continue key is not valid: server does not recognize this encoded version meta.k8s.io/v7")
		refused(ListOptions{Continue: token(`{"v":"meta.k8s.io/v1","start":"a"}`)}, 400, "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
		refused(ListOptions{Continue: token(`{"v":"meta.k8s.io/v1","rv":5}`)}, 400, "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")
		refused(ListOptions{Continue: token(`{"v":"meta.k8s.io/v1","rv":5,"start":"../a"}`)}, 400, "invalid continue token: continue key is not valid: ../a")
		refused(ListOptions{Continue: token(`{"v":"meta.k8s.io/v1","rv":999999,"start":"a"}`)}, 504, fmt.Sprintf("Timeout: Too large resource version: 999999, current: %d", e.Revision()))
	})
}

func TestListOfOldRevisions(t *testing.T) {
	onEachEngine(t, func(e *env) {
		one := e.create(configMap("one", "a", "1"))
		e.create(configMap("two"))
		_, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { c.Data["a"] = "2"; c.Labels = map[string]string{"new": "1"} }))
		e.must(err)
		// Enough for the first revisions to leave the caches' memory, were it short.
		for n := range 40 {
			_, err := e.cms().Update(e.ctx, "ns", "two", change(func(c *corev1.ConfigMap) { c.Data = map[string]string{"n": strconv.Itoa(n)} }))
			e.must(err)
		}
		old := strconv.FormatInt(one.Object.Revision, 10)
		f := func(o ListOptions, want string) *List {
			t.Helper()
			o.Namespace = "ns"
			l := e.list(e.cms(), o)
			e.equal(strings.Join(names(l.Items), " "), want)
			return l
		}
		f(ListOptions{}, "one two")
		f(ListOptions{ResourceVersion: "0"}, "one two")
		f(ListOptions{ResourceVersion: old}, "one two")
		f(ListOptions{ResourceVersion: old, ResourceVersionMatch: "NotOlderThan"}, "one two")
		l := f(ListOptions{ResourceVersion: old, ResourceVersionMatch: "Exact"}, "one")
		e.equal([]any{l.Revision, l.Items[0].Revision}, []any{one.Object.Revision, one.Object.Revision})
		f(ListOptions{ResourceVersion: old, Limit: 5}, "one")
		f(ListOptions{ResourceVersion: old, ResourceVersionMatch: "Exact", Labels: labelSelector(t, "new")}, "")
		f(ListOptions{ResourceVersion: old, ResourceVersionMatch: "Exact", Fields: fieldSelector(t, "metadata.name=two")}, "")
		f(ListOptions{ResourceVersion: old, ResourceVersionMatch: "Exact", Fields: fieldSelector(t, "metadata.name=one")}, "one")

		// The same from the engine alone.
		p := page{selected: selected{field: -1, all: true}, at: one.Object.Revision + 1, limit: 1, paged: true}
		stored, err := e.cms().listStored(e.ctx, p, ListOptions{}, storage.PrefixEnd(e.cms().prefix))
		e.must(err)
		e.equal([]any{names(stored.Items), *stored.Remaining, stored.Items[0].Key, stored.Items[0].Namespace}, "[[one] 1 ns/one ns]")

		_, err = e.cms().List(e.ctx, ListOptions{ResourceVersion: "999999"})
		s := e.refused(err, 504, fmt.Sprintf("Timeout: Too large resource version: 999999, current: %d", e.Revision()))
		e.equal([]any{s.Details.RetryAfterSeconds, s.Details.Causes[0].Type, s.Details.Causes[0].Message}, "[1 ResourceVersionTooLarge Too large resource version]")
		_, err = e.cms().List(e.ctx, ListOptions{ResourceVersion: "latest"})
		e.refused(err, 400, `invalid resource version: resourceVersion: Invalid value: "latest": strconv.ParseUint: parsing "latest": invalid syntax`)
	})
}

func TestListOfACompactedRevision(t *testing.T) {
	onEachEngine(t, func(e *env) {
		for _, name := range []string{"a", "b", "c"} {
			e.create(configMap(name))
		}
		l := e.list(e.cms(), ListOptions{Limit: 1})
		p := page{selected: selected{field: -1, all: true}, at: l.Revision - 1, limit: 1, paged: true, from: "ns/a\x00"}
		e.must(e.o.Engine.Compact(e.ctx, l.Revision-1))
		p.at--
		_, err := e.cms().listStored(e.ctx, p, ListOptions{Continue: l.Continue}, storage.PrefixEnd(e.cms().prefix))
		if !apierrors.IsResourceExpired(err) {
			t.Fatalf("got %v", err)
		}
		status := err.(*apierrors.StatusError).ErrStatus
		if !strings.Contains(status.Message, "use the continue token in this response") {
			t.Fatalf("got %q", status.Message)
		}
		next := e.list(e.cms(), ListOptions{Continue: status.Continue})
		e.equal(names(next.Items), "[b c]")
		_, err = e.cms().listStored(e.ctx, p, ListOptions{}, storage.PrefixEnd(e.cms().prefix))
		e.refused(err, 410, "The resourceVersion for the provided list is too old.")
	})
}

func TestListOptionsThatMakeNoSense(t *testing.T) {
	e := newEnv(t, openBadger(t, t.TempDir()))
	f := func(o ListOptions, message string) {
		t.Helper()
		_, err := e.cms().List(e.ctx, o)
		e.refused(err, 422, `ListOptions.meta.k8s.io "" is invalid: `+message)
	}
	f(ListOptions{ResourceVersion: "0", ResourceVersionMatch: "Exact"}, `resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
	f(ListOptions{ResourceVersionMatch: "NotOlderThan"}, `resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`)
	f(ListOptions{ResourceVersion: "5", ResourceVersionMatch: "Newest"}, `resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""`)
	f(ListOptions{Continue: "x", ResourceVersionMatch: "Exact"}, `[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided]`)
	yes := true
	e.refused(ValidateListOptions(&metav1.ListOptions{SendInitialEvents: &yes}), 422, `ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list`)
	e.refused(ValidateListOptions(&metav1.ListOptions{Watch: true, SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan", Continue: "x"}), 422, `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided`)
	e.must(ValidateListOptions(&metav1.ListOptions{}))
}

func TestGetVersions(t *testing.T) {
	onEachEngine(t, func(e *env) {
		made := e.create(configMap("one"))
		get := func(v string) error {
			_, err := e.cms().Get(e.ctx, "ns", "one", GetOptions{ResourceVersion: v})
			return err
		}
		e.must(get(""))
		e.must(get("0"))
		e.must(get(made.Hub.GetResourceVersion()))
		e.refused(get("latest"), 500, `resourceVersion: Invalid value: "latest": strconv.ParseUint: parsing "latest": invalid syntax`)
		e.refused(get("999999"), 504, fmt.Sprintf("Timeout: Too large resource version: 999999, current: %d", e.Revision()))
		// A version that comes while one waits.
		e.o.FutureWait = time.Minute
		done := make(chan error)
		next := strconv.FormatInt(e.Revision()+1, 10)
		go func() { done <- get(next) }()
		e.create(configMap("two"))
		e.must(<-done)
	})
}

func FuzzContinue(f *testing.F) {
	f.Add(encodeContinue("ns/a", "ns/", 7), "ns/")
	f.Add("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiIuLi9hIn0", "ns/")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, scope string) {
		from, revision, err := decodeContinue(token, scope)
		if err != nil {
			if !apierrors.IsBadRequest(err) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if revision < 0 || !strings.HasPrefix(from, scope) {
			t.Fatalf("got %q at %d outside of %q", from, revision, scope)
		}
		if strings.Contains(from[len(scope):], "../") {
			t.Fatalf("got %q", from)
		}
	})
}
