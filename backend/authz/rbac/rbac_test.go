package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	rbacv1 "k8s.io/api/rbac/v1"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newAuthorizer(t testing.TB) *Authorizer {
	t.Helper()
	a, err := New()
	must(t, err)
	return a
}

func rule(verbs, groups, resources string, names ...string) rbacv1.PolicyRule {
	split := func(s string) []string { return strings.Split(s, ",") }
	return rbacv1.PolicyRule{Verbs: split(verbs), APIGroups: split(groups), Resources: split(resources), ResourceNames: names}
}

func userSubj(name string) []rbacv1.Subject { return []rbacv1.Subject{{Kind: "User", Name: name}} }

func clusterRole(name string) rbacv1.RoleRef { return rbacv1.RoleRef{Kind: "ClusterRole", Name: name} }

func ask(u *request.User, verb, namespace, group, resource string) *authz.Attributes {
	resource, sub, _ := strings.Cut(resource, "/")
	return &authz.Attributes{User: u, Verb: verb, IsResource: true, Namespace: namespace, Group: group, Resource: resource, Subresource: sub}
}

func TestScopesOfBindings(t *testing.T) {
	a := newAuthorizer(t)
	must(t, a.SetRole("", "reader", []rbacv1.PolicyRule{rule("get,list", "", "pods,pods/log")}))
	must(t, a.SetRole("n1", "writer", []rbacv1.PolicyRule{rule("*", "apps", "*")}))
	must(t, a.SetBinding("", "all", clusterRole("reader"), userSubj("ann")))
	must(t, a.SetBinding("n1", "here", clusterRole("reader"), []rbacv1.Subject{{Kind: "Group", Name: "devs"}}))
	must(t, a.SetBinding("n1", "own", rbacv1.RoleRef{Kind: "Role", Name: "writer"}, []rbacv1.Subject{{Kind: "ServiceAccount", Name: "bot"}}))
	ann, dev, bot := &request.User{Name: "ann"}, &request.User{Name: "dan", Groups: []string{"devs"}}, &request.User{Name: "system:serviceaccount:n1:bot"}
	f := func(u *request.User, verb, namespace, group, resource string, want bool) {
		t.Helper()
		for range 2 { // the second answer comes from the cache
			d, _, err := a.Authorize(context.Background(), ask(u, verb, namespace, group, resource))
			must(t, err)
			if (d == authz.Allow) != want {
				t.Errorf("%s %s %s in %q: %v", u.Name, verb, resource, namespace, d)
			}
		}
	}
	f(ann, "get", "n1", "", "pods", true)
	f(ann, "get", "", "", "pods", true)
	f(ann, "get", "n2", "", "pods/log", true)
	f(ann, "get", "n2", "", "pods/exec", false)
	f(ann, "delete", "n2", "", "pods", false)
	f(dev, "list", "n1", "", "pods", true)
	f(dev, "list", "n2", "", "pods", false)
	f(dev, "list", "", "", "pods", false)
	f(bot, "patch", "n1", "apps", "deployments/scale", true)
	f(bot, "patch", "n2", "apps", "deployments/scale", false)
	f(bot, "patch", "n1", "", "deployments", false)
}

func TestChangesTakeEffectAtOnce(t *testing.T) {
	a := newAuthorizer(t)
	u := &request.User{Name: "ann"}
	q := ask(u, "get", "n", "", "pods")
	want := func(allowed bool, reason string) {
		t.Helper()
		d, r, err := a.Authorize(context.Background(), q)
		must(t, err)
		if (d == authz.Allow) != allowed || r != reason {
			t.Errorf("got %v %q, want %v %q", d, r, allowed, reason)
		}
	}
	want(false, "")
	must(t, a.SetBinding("n", "b", rbacv1.RoleRef{Kind: "Role", Name: "r"}, userSubj("ann")))
	want(false, `RBAC: role.rbac.authorization.k8s.io "r" not found`)
	must(t, a.SetBinding("", "b", clusterRole("c"), userSubj("ann")))
	want(false, `RBAC: [clusterrole.rbac.authorization.k8s.io "c" not found, role.rbac.authorization.k8s.io "r" not found]`)
	must(t, a.DeleteBinding("", "b"))
	must(t, a.SetRole("n", "r", []rbacv1.PolicyRule{rule("get", "", "pods")}))
	want(true, `RBAC: allowed by RoleBinding "b/n" of Role "r" to User "ann"`)
	must(t, a.SetRole("n", "r", []rbacv1.PolicyRule{rule("list", "", "pods")}))
	want(false, "")
	must(t, a.SetRole("n", "r", []rbacv1.PolicyRule{rule("get", "", "pods")}))
	must(t, a.SetBinding("n", "again", rbacv1.RoleRef{Kind: "Role", Name: "r"}, userSubj("ann")))
	must(t, a.DeleteBinding("n", "b"))
	want(true, `RBAC: allowed by RoleBinding "again/n" of Role "r" to User "ann"`)
	must(t, a.SetBinding("n", "again", rbacv1.RoleRef{Kind: "Role", Name: "r"}, userSubj("bob")))
	want(false, "")
	must(t, a.DeleteRole("n", "r"))
	want(false, "")
}

func TestRulesMatchAsKubernetesReadsThem(t *testing.T) {
	f := func(r rbacv1.PolicyRule, verb, group, resource, name string, want bool) {
		t.Helper()
		q := ask(nil, verb, "", group, resource)
		q.Name = name
		if got := ruleAllows(&r, q); got != want {
			t.Errorf("%v for %s %s %q: %v", r, verb, resource, name, got)
		}
	}
	f(rule("get", "", "pods/*"), "get", "", "pods/log", "", false)
	f(rule("get", "", "*/log"), "get", "", "pods/log", "", true)
	f(rule("get", "", "*/log"), "get", "", "pods", "", false)
	f(rule("get", "", "*"), "get", "", "pods/log", "", true)
	f(rule("get", "*", "pods"), "get", "x", "pods", "", true)
	f(rule("get", "", "pods", "a"), "get", "", "pods", "a", true)
	f(rule("get", "", "pods", "a"), "get", "", "pods", "b", false)
	f(rule("create", "", "pods", "a"), "create", "", "pods", "", false)
	p := func(url, path string, want bool) {
		t.Helper()
		r := rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{url}}
		if got := ruleAllows(&r, &authz.Attributes{Verb: "get", Path: path}); got != want {
			t.Errorf("%s for %s: %v", url, path, got)
		}
	}
	p("/a/tree/*", "/a/tree/", true)
	p("/a/tree/*", "/a/tree", false)
	p("/a*", "/abc", true)
	p("/a", "/a/", false)
	p("*", "/x", true)
}

func TestWhoCanNamesSubjectBindingAndRule(t *testing.T) {
	a := newAuthorizer(t)
	must(t, a.SetRole("", "reader", []rbacv1.PolicyRule{rule("get", "", "pods")}))
	must(t, a.SetBinding("n1", "b1", clusterRole("reader"), userSubj("ann")))
	must(t, a.SetBinding("n2", "b2", clusterRole("reader"), userSubj("bob")))
	got := a.WhoCan(ask(nil, "get", "n1", "", "pods"))
	if len(got) != 1 || got[0].Subject.Name != "ann" || got[0].BindingName != "b1" || got[0].RoleName != "reader" {
		t.Errorf("who can: %+v", got)
	}
}

// Decisions stay right, and nothing deadlocks, while bindings come and go.
func TestConcurrentChangesAndQuestions(t *testing.T) {
	a := newAuthorizer(t)
	must(t, a.SetRole("", "reader", []rbacv1.PolicyRule{rule("get", "", "pods")}))
	must(t, a.SetBinding("", "fixed", clusterRole("reader"), userSubj("fixed")))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for i := range 200 {
				_ = a.SetBinding("", fmt.Sprintf("b%d", w), clusterRole("reader"), userSubj(fmt.Sprintf("u%d", i%5)))
				_ = a.SetRole("", fmt.Sprintf("r%d", w), []rbacv1.PolicyRule{rule("list", "", "pods")})
				_ = a.DeleteBinding("", fmt.Sprintf("b%d", w))
			}
		}()
		go func() {
			defer wg.Done()
			u := &request.User{Name: "fixed"}
			for range 500 {
				if d, _, err := a.Authorize(context.Background(), ask(u, "get", "", "", "pods")); err != nil || d != authz.Allow {
					t.Errorf("fixed user: %v %v", d, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	if d, _, _ := a.Authorize(context.Background(), ask(&request.User{Name: "u1"}, "get", "", "", "pods")); d == authz.Allow {
		t.Error("a removed binding still allows")
	}
}

func policyOf(b *testing.B, bindings int) *Authorizer {
	a := newAuthorizer(b)
	for i := range bindings / 10 {
		must(b, a.SetRole("", fmt.Sprintf("role%d", i), []rbacv1.PolicyRule{
			rule("get", "", "configmaps"), rule("list", "apps", "deployments"), rule("get", "", "secrets", "one"),
			rule("watch", "batch", "jobs"), rule("get,list", "", fmt.Sprintf("pods%d", i))}))
	}
	for i := range bindings {
		must(b, a.SetBinding(fmt.Sprintf("ns%d", i%100), fmt.Sprintf("b%d", i), clusterRole(fmt.Sprintf("role%d", i%(bindings/10))), userSubj(fmt.Sprintf("user%d", i))))
	}
	return a
}

func BenchmarkDecision(b *testing.B) {
	for _, n := range []int{100, 10000, 50000} {
		a := policyOf(b, n)
		u := &request.User{Name: "user7", Groups: []string{"g1", "g2"}}
		allowed, denied := ask(u, "get", "ns7", "", fmt.Sprintf("pods%d", 7%(n/10))), ask(u, "delete", "ns7", "", "pods7")
		for name, q := range map[string]*authz.Attributes{"allow": allowed, "deny": denied} {
			b.Run(fmt.Sprintf("uncached-%s-%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := a.decide(q); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("cached-%s-%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _, _ = a.Authorize(context.Background(), q)
				}
			})
			b.Run(fmt.Sprintf("plain-%s-%d", name, n), func(b *testing.B) {
				for b.Loop() {
					a.evaluate(&query{attributes: q})
				}
			})
		}
	}
}

func BenchmarkBindingChange(b *testing.B) {
	a := policyOf(b, 10000)
	for b.Loop() {
		name := fmt.Sprintf("x%d", rand.IntN(100))
		must(b, a.SetBinding("", name, clusterRole("role1"), userSubj("somebody")))
		must(b, a.DeleteBinding("", name))
	}
}
