package impersonation

import (
	"context"
	"errors"
	"net/http"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

type header http.Header

func (h header) Get(name string) string      { return http.Header(h).Get(name) }
func (h header) Values(name string) []string { return http.Header(h).Values(name) }
func (h header) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}

// policy allows what its lines say: USER VERB RESOURCE NAMESPACE/NAME, or USER
// VERB PATH; names are patterns. It notes what it was asked.
type policy struct {
	lines []string
	asked []string
}

func line(a *authz.Attributes) string {
	what := a.Path
	if a.IsResource {
		what = strings.Trim(a.Group+"/"+a.Resource+"/"+a.Subresource, "/") + " " + strings.Trim(a.Namespace+"/"+a.Name, "/")
	}
	return strings.TrimSpace(a.User.Name + " " + a.Verb + " " + what)
}

func (p *policy) Authorize(_ context.Context, a *authz.Attributes) (authz.Decision, string, error) {
	l := line(a)
	p.asked = append(p.asked, l)
	for _, allowed := range p.lines {
		if ok, _ := path.Match(strings.ReplaceAll(allowed, "/", "|"), strings.ReplaceAll(l, "/", "|")); ok {
			return authz.Allow, "", nil
		}
	}
	return authz.NoOpinion, "", nil
}

// server is a filter over a policy.
type server struct {
	t      *testing.T
	policy *policy
	filter func(request.Handler) request.Handler
}

func newServer(t *testing.T, lines ...string) *server {
	p := &policy{lines: lines}
	return &server{t, p, Filter(p)}
}

// do sends a request and gives it as it came out of the filter, nil with an
// error.
func (s *server) do(caller *request.User, method, path string, lines ...string) (*request.Request, error) {
	s.t.Helper()
	s.policy.asked = nil
	h := http.Header{}
	for i := 0; i+1 < len(lines); i += 2 {
		h.Add(lines[i], lines[i+1])
	}
	r := &request.Request{Method: method, Path: path, Header: header(h), User: caller, Info: request.ParseInfo(method, path, false, "")}
	var seen *request.Request
	_, err := s.filter(func(_ context.Context, r *request.Request) (*request.Response, error) {
		seen = r
		return nil, nil
	})(context.Background(), r)
	return seen, err
}

// becomes wants the caller to be another user; it gives the request.
func (s *server) becomes(want *request.User, constraint string, caller *request.User, lines ...string) *request.Request {
	s.t.Helper()
	r, err := s.do(caller, "GET", "/api/v1/namespaces/ns/pods", lines...)
	if err != nil {
		s.t.Errorf("%v: %v", lines, err)
		return nil
	}
	if !reflect.DeepEqual(r.User, want) || r.Impersonator != caller || r.ImpersonationConstraint != constraint {
		s.t.Errorf("%v: %+v by %+v with %q", lines, r.User, r.Impersonator, r.ImpersonationConstraint)
	}
	return r
}

func (s *server) refused(words string, caller *request.User, lines ...string) {
	s.t.Helper()
	r, err := s.do(caller, "GET", "/api/v1/namespaces/ns/pods", lines...)
	if r != nil || !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
		s.t.Errorf("%v: %v, want %s", lines, err, words)
	}
}

func user(name string, groups ...string) *request.User {
	return &request.User{Name: name, Groups: groups}
}

const (
	authenticated   = request.GroupAuthenticated
	unauthenticated = request.GroupUnauthenticated
	onPods          = " impersonate-on:user-info:list pods ns"
)

func TestWithoutHeadersNothingHappens(t *testing.T) {
	s := newServer(t)
	alice := user("alice")
	r, err := s.do(alice, "GET", "/api", "Accept", "x", "X-Impersonate-User", "root", "Impersonated-User", "root")
	if err != nil || r.User != alice || r.Impersonator != nil || len(s.policy.asked) != 0 {
		t.Errorf("%v %v %v", r.User, s.policy.asked, err)
	}
}

func TestHeadersWithoutUser(t *testing.T) {
	s := newServer(t, "* * * *")
	check := func(want string, lines ...string) {
		t.Helper()
		r, err := s.do(user("admin"), "GET", "/api", lines...)
		if r != nil || !apierrors.IsBadRequest(err) || err.Error() != want {
			t.Errorf("%v: %v", lines, err)
		}
	}
	check(`requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"dev"}, Extra:map[string][]string(nil)} without impersonating a user name`, "Impersonate-Group", "dev")
	check(`requested &user.DefaultInfo{Name:"", UID:"7", Groups:[]string(nil), Extra:map[string][]string(nil)} without impersonating a user name`, "Impersonate-Uid", "7")
	check(`requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"scopes":[]string{"a"}}} without impersonating a user name`, "Impersonate-Extra-Scopes", "a")
	check(`requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"dev"}, Extra:map[string][]string(nil)} without impersonating a user name`, "Impersonate-User", "", "Impersonate-Group", "dev")
}

func TestImpersonationOfOld(t *testing.T) {
	s := newServer(t,
		"admin impersonate users *", "admin impersonate groups *", "admin impersonate serviceaccounts *|*",
		"admin impersonate authentication.k8s.io/uids 7", "admin impersonate authentication.k8s.io/userextras/* *", "admin impersonate authentication.k8s.io/userextras/acme.com/a *",
		"admin impersonate authentication.k8s.io/userextras/b",
	)
	admin := user("admin", request.GroupMasters)
	s.becomes(user("alice", authenticated), "", admin, "Impersonate-User", "alice")
	s.becomes(user("alice", "dev", "ops", authenticated), "", admin, "Impersonate-User", "alice", "Impersonate-Group", "dev", "impersonate-group", "ops")
	s.becomes(user("alice", authenticated), "", admin, "Impersonate-User", "alice", "Impersonate-Group", authenticated)
	s.becomes(user("alice", unauthenticated), "", admin, "Impersonate-User", "alice", "Impersonate-Group", unauthenticated)
	s.becomes(user(request.UserAnonymous, unauthenticated), "", admin, "Impersonate-User", request.UserAnonymous)
	s.becomes(user("root", request.GroupMasters, authenticated), "", admin, "Impersonate-User", "root", "Impersonate-Group", request.GroupMasters)
	s.becomes(user("system:serviceaccount:ns:a", "system:serviceaccounts", "system:serviceaccounts:ns", authenticated), "", admin, "Impersonate-User", "system:serviceaccount:ns:a")
	s.becomes(user("system:serviceaccount:ns:a", "x", authenticated), "", admin, "Impersonate-User", "system:serviceaccount:ns:a", "Impersonate-Group", "x")
	s.becomes(user("system:node:n", authenticated), "", admin, "Impersonate-User", "system:node:n") // the mode of old knows no nodes
	all := user("alice", authenticated)
	all.UID, all.Extra = "7", map[string][]string{"acme.com/a": {"1"}, "b": {""}}
	s.becomes(all, "", admin, "Impersonate-User", "alice", "Impersonate-Uid", "7", "Impersonate-Extra-Acme.com%2fA", "1", "Impersonate-Extra-B", "")
	s.refused("", admin, "Impersonate-User", "alice", "Impersonate-Uid", "8")
}

func TestRefusals(t *testing.T) {
	s := newServer(t, "carol impersonate users bob")
	carol := user("carol")
	s.refused(`pods is forbidden: User "dora" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"`, user("dora"), "Impersonate-User", "bob")
	s.refused(`cannot impersonate-on:serviceaccount:list`, user("dora"), "Impersonate-User", "system:serviceaccount:ns:a")
	s.refused(`cannot impersonate-on:arbitrary-node:list`, user("dora"), "Impersonate-User", "system:node:n")
	s.refused(`cannot impersonate-on:user-info:list`, carol, "Impersonate-User", "alice")
	s.becomes(user("bob", authenticated), "", carol, "Impersonate-User", "bob")
	// Now the mode of old is tried first, and its words count.
	s.refused(`users "alice" is forbidden: User "carol" cannot impersonate resource "users" in API group "" at the cluster scope`, carol, "Impersonate-User", "alice")
	s.refused(`groups "x" is forbidden: User "carol" cannot impersonate resource "groups"`, carol, "Impersonate-User", "bob", "Impersonate-Group", "x")
	s.refused(`userextras.authentication.k8s.io "v" is forbidden: User "carol" cannot impersonate resource "userextras/k"`, carol, "Impersonate-User", "bob", "Impersonate-Extra-K", "v")
	s.policy.lines = nil
	s.refused(`users "bob" is forbidden`, carol, "Impersonate-User", "bob") // nothing of old is remembered
}

func TestConstrainedUsers(t *testing.T) {
	s := newServer(t,
		"carol"+onPods, "carol impersonate:user-info authentication.k8s.io/users bob", "carol impersonate:user-info authentication.k8s.io/groups dev",
		"carol impersonate:user-info authentication.k8s.io/userextras/acme.com|scope read", "carol impersonate:user-info authentication.k8s.io/uids 7",
	)
	carol := user("carol")
	s.becomes(user("bob", authenticated), "impersonate:user-info", carol, "Impersonate-User", "bob")
	want := user("bob", "dev", authenticated)
	want.UID, want.Extra = "7", map[string][]string{"acme.com/scope": {"read"}}
	s.becomes(want, "impersonate:user-info", carol, "Impersonate-User", "bob", "Impersonate-Group", "dev", "Impersonate-Uid", "7", "Impersonate-Extra-Acme.com%2fscope", "read")
	s.refused(`groups.authentication.k8s.io "ops" is forbidden: User "carol" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope`, carol, "Impersonate-User", "bob", "Impersonate-Group", "ops")
	s.policy.lines = append(s.policy.lines, "carol impersonate:user-info * *", "carol impersonate:user-info authentication.k8s.io/* *", "carol impersonate:user-info authentication.k8s.io/userextras/* *")
	s.refused("impersonating the system:masters group is not allowed", carol, "Impersonate-User", "bob", "Impersonate-Group", request.GroupMasters)
	s.refused("impersonating the empty string group is not allowed", carol, "Impersonate-User", "bob", "Impersonate-Group", "")
	s.refused("impersonating an invalid key in extra is not allowed", carol, "Impersonate-User", "bob", "Impersonate-Extra-Plain", "x")
	s.refused("impersonating the empty string key in extra is not allowed", carol, "Impersonate-User", "bob", "Impersonate-Extra-", "x")
	s.refused("impersonating the empty string value in extra is not allowed", carol, "Impersonate-User", "bob", "Impersonate-Extra-Acme.com%2fscope", "")
	// A right to be bob while listing pods is none to be bob while deleting.
	if r, err := s.do(carol, "DELETE", "/api/v1/namespaces/ns/pods/p", "Impersonate-User", "bob"); r != nil || !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "impersonate-on:user-info:delete") {
		t.Errorf("%v", err)
	}
}

func TestManyGroupsAreAskedAboutAtOnce(t *testing.T) {
	s := newServer(t, "carol"+onPods, "carol impersonate:user-info authentication.k8s.io/users bob", "carol impersonate:user-info authentication.k8s.io/groups \\*",
		"carol impersonate:user-info authentication.k8s.io/userextras/\\* \\*")
	headers := []string{"Impersonate-User", "bob"}
	for _, g := range []string{"a", "b", "c", "d"} {
		headers = append(headers, "Impersonate-Group", g, "Impersonate-Extra-Acme.com%2fx", g)
	}
	want := user("bob", "a", "b", "c", "d", authenticated)
	want.Extra = map[string][]string{"acme.com/x": {"a", "b", "c", "d"}}
	s.becomes(want, "impersonate:user-info", user("carol"), headers...)
	if len(s.policy.asked) != 4 {
		t.Errorf("%q", s.policy.asked)
	}
	s.refused(`groups.authentication.k8s.io "a"`, user("carol"), headers[:2+4*3]...)
}

func TestConstrainedNodesAndServiceAccounts(t *testing.T) {
	s := newServer(t,
		"carol impersonate-on:arbitrary-node:list pods ns", "carol impersonate:arbitrary-node authentication.k8s.io/nodes n1",
		"carol impersonate-on:serviceaccount:list pods ns", "carol impersonate:serviceaccount authentication.k8s.io/serviceaccounts ns/a",
		"carol"+onPods, "carol impersonate:user-info authentication.k8s.io/users *",
	)
	carol := user("carol")
	s.becomes(user("system:node:n1", "system:nodes", authenticated), "impersonate:arbitrary-node", carol, "Impersonate-User", "system:node:n1")
	s.becomes(user("system:serviceaccount:ns:a", "system:serviceaccounts", "system:serviceaccounts:ns", authenticated), "impersonate:serviceaccount", carol, "Impersonate-User", "system:serviceaccount:ns:a")
	s.refused("", carol, "Impersonate-User", "system:node:n2")
	s.refused("", carol, "Impersonate-User", "system:serviceaccount:ns:b")
	s.refused("", carol, "Impersonate-User", "system:node:n1", "Impersonate-Group", "x")
	s.refused("", carol, "Impersonate-User", "system:serviceaccount:ns:a", "Impersonate-Uid", "x")
	// What only looks like a node is somebody else.
	s.becomes(user("system:node:N_1", authenticated), "impersonate:user-info", carol, "Impersonate-User", "system:node:N_1")
}

func TestServiceAccountsMayBeTheirOwnNode(t *testing.T) {
	const agent = "system:serviceaccount:ns:agent"
	s := newServer(t, agent+" impersonate-on:associated-node:list pods ns", agent+" impersonate:associated-node authentication.k8s.io/nodes \\*")
	on := func(nodes ...string) *request.User {
		u := user(agent)
		u.Extra = map[string][]string{"authentication.kubernetes.io/node-name": nodes, "authentication.kubernetes.io/pod-name": {"p"}}
		return u
	}
	s.becomes(user("system:node:n1", "system:nodes", authenticated), "impersonate:associated-node", on("n1"), "Impersonate-User", "system:node:n1")
	if len(s.policy.asked) != 2 {
		t.Errorf("%q", s.policy.asked)
	}
	s.becomes(user("system:node:n2", "system:nodes", authenticated), "impersonate:associated-node", on("n2"), "Impersonate-User", "system:node:n2")
	if len(s.policy.asked) != 0 {
		t.Errorf("asked again for a pod on another node: %q", s.policy.asked)
	}
	s.refused("", on("n1"), "Impersonate-User", "system:node:n2")
	s.refused("", on(), "Impersonate-User", "system:node:n1")
	s.refused("", on("n1", "n2"), "Impersonate-User", "system:node:n1")
	s.refused("", on("*"), "Impersonate-User", "system:node:*")
	s.refused("", on("n1"), "Impersonate-User", "system:node:n1", "Impersonate-Group", "x")
	other := on("n1")
	other.Name = "alice"
	s.refused("", other, "Impersonate-User", "system:node:n1")
}

func TestAllowedImpersonationIsRemembered(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := &policy{lines: []string{"carol" + onPods, "carol impersonate:user-info authentication.k8s.io/users bob"}}
	m := newModes(p, func() time.Time { return now })
	try := func(caller *request.User, query string) (*request.User, error) {
		p.asked = nil
		path := "/api/v1/namespaces/ns/pods"
		r := &request.Request{Path: path, RawQuery: query, User: caller, Header: header{"Impersonate-User": {"bob"}}, Info: request.ParseInfo("GET", path, false, "")}
		err := m.impersonate(context.Background(), r)
		return r.User, err
	}
	first, err := try(user("carol"), "")
	if err != nil || len(p.asked) != 2 {
		t.Fatal(p.asked, err)
	}
	if again, err := try(user("carol"), ""); err != nil || again != first || len(p.asked) != 0 {
		t.Error("asked again, or another user", p.asked, err)
	}
	if _, err := try(user("carol"), "fieldSelector=a%3Db"); err != nil || len(p.asked) != 1 {
		t.Error("another request was not asked about", p.asked, err)
	}
	if _, err := try(user("carol", "x"), ""); err != nil || len(p.asked) != 2 {
		t.Error("another caller of the same name was not asked about", p.asked, err)
	}
	p.lines = nil
	if _, err := try(user("carol"), ""); err != nil {
		t.Error(err)
	}
	now = now.Add(keptFor)
	if _, err := try(user("carol"), ""); err == nil {
		t.Error("remembered for too long")
	}
}

func TestNobodyBehindSeesTheHeaders(t *testing.T) {
	s := newServer(t, "admin impersonate users *", "admin impersonate groups *", "admin impersonate authentication.k8s.io/userextras/k *")
	r := s.becomes(&request.User{Name: "alice", Groups: []string{"g", authenticated}, Extra: map[string][]string{"k": {"v"}}}, "", user("admin"),
		"Impersonate-User", "alice", "Impersonate-Group", "g", "Impersonate-Extra-K", "v", "Impersonate-Nonsense", "x", "Accept", "y")
	if r == nil {
		return
	}
	r.Header.Each(func(name, value string) {
		if name != "Accept" {
			t.Errorf("%s: %s", name, value)
		}
	})
	if r.Header.Get("Impersonate-User") != "" || r.Header.Get("Accept") != "y" {
		t.Error("seen by name")
	}
}

func TestErrorsOfTheAuthorizer(t *testing.T) {
	a := authz.Func(func(context.Context, *authz.Attributes) (authz.Decision, string, error) {
		return authz.NoOpinion, "why", errors.New("out of order")
	})
	r := &request.Request{User: user("carol"), Header: header{"Impersonate-User": {"bob"}}, Info: request.ParseInfo("GET", "/api", false, "")}
	err := newModes(a, time.Now).impersonate(context.Background(), r)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "out of order: why") || r.User.Name != "carol" {
		t.Errorf("%v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCache(func() time.Time { return now })
	var l lastModes
	for i := range 3 * maxCallers {
		c.set(cacheKey{byte(i), byte(i >> 8), byte(i >> 16)}, &outcome{})
		l.set(string(rune(i)), 1)
	}
	if len(c.all) > maxKept || len(l.all) > maxCallers {
		t.Errorf("%d %d", len(c.all), len(l.all))
	}
}
