// Package rbac answers authorization from Roles, ClusterRoles and their
// bindings. The policy lives in a Casbin enforcer: one p line a role, one g line
// a subject, role and namespace; our own role manager and matcher walk them
// (docs/architecture.md). A decision cache, emptied by each change, keeps the
// engine off the hot path. Read rbac.go first, then policy.go and rules.go.
package rbac

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// modelText is the Casbin model. The request is one value; rbac looks up the
// caller's roles in the cluster ("*") and in the namespace and evaluates their
// rules, so that a decision costs the same with ten bindings and ten thousand.
const modelText = `
[request_definition]
r = a
[policy_definition]
p = role, rules
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = rbac(r.a)
`

// everywhere is the domain of bindings that hold in all namespaces.
const everywhere = "*"

// Authorizer is RBAC over the policy it was told of. It is safe for concurrent
// use.
type Authorizer struct {
	enforcer *casbin.SyncedEnforcer
	links    *roleManager

	// write lets one change through at a time. It guards bindings.
	write    sync.Mutex
	bindings map[bindingKey]*binding // what was set, to know the difference

	// mu guards the maps below. It is never held while the enforcer is called:
	// the enforcer calls evaluate, which takes it.
	mu     sync.RWMutex
	roles  map[string]*role             // by role name as in p lines
	lines  map[line][]*binding          // which bindings give a g line, in the order they were set
	byRole map[string]map[line]struct{} // lines that name a role

	generation atomic.Uint64
	cache      decisionCache
}

// New gives an Authorizer without policy.
func New() (*Authorizer, error) {
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, fmt.Errorf("rbac model: %w", err)
	}
	e, err := casbin.NewSyncedEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("rbac enforcer: %w", err)
	}
	a := &Authorizer{
		enforcer: e,
		links:    newRoleManager(),
		roles:    map[string]*role{},
		bindings: map[bindingKey]*binding{},
		lines:    map[line][]*binding{},
		byRole:   map[string]map[line]struct{}{},
	}
	e.EnableLog(false)
	e.SetRoleManager(a.links)
	e.AddFunction("rbac", func(args ...any) (any, error) {
		if len(args) != 1 {
			return false, errors.New("rbac takes one argument")
		}
		q, ok := args[0].(*query)
		if !ok {
			return false, errors.New("rbac takes a query")
		}
		return a.evaluate(q), nil
	})
	a.cache.init()
	return a, nil
}

// query is one question on its way through Casbin, and what came of it.
type query struct {
	attributes *authz.Attributes
	allowedBy  line
	missing    []error
}

// Authorize decides. An allowed request's reason names the binding, the role
// and the subject; a refused one's the roles that bindings name and that do not
// exist.
func (a *Authorizer) Authorize(_ context.Context, at *authz.Attributes) (authz.Decision, string, error) {
	if at.User == nil {
		return authz.NoOpinion, "", nil
	}
	generation := a.generation.Load()
	key := keyOf(at)
	if d, ok := a.cache.get(&key, generation); ok {
		return d.decision, d.reason, nil
	}
	d, err := a.decide(at)
	if err != nil {
		return authz.NoOpinion, "", err
	}
	a.cache.put(&key, generation, d)
	return d.decision, d.reason, nil
}

func (a *Authorizer) decide(at *authz.Attributes) (decision, error) {
	q := &query{attributes: at}
	allowed, err := a.enforcer.Enforce(q)
	if err != nil {
		return decision{}, fmt.Errorf("rbac: %w", err)
	}
	if allowed {
		return decision{authz.Allow, a.reason(q.allowedBy)}, nil
	}
	d := decision{decision: authz.NoOpinion}
	if len(q.missing) > 0 {
		d.reason = fmt.Sprintf("RBAC: %v", utilerrors.NewAggregate(q.missing))
	}
	return d, nil
}

// evaluate is Casbin's matcher function: does a role of one of the caller's
// subjects, in the cluster or in the namespace, have a rule that fits?
func (a *Authorizer) evaluate(q *query) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.evaluateIn(q, everywhere) {
		return true
	}
	return q.attributes.Namespace != "" && a.evaluateIn(q, q.attributes.Namespace)
}

func (a *Authorizer) evaluateIn(q *query, domain string) bool {
	u := q.attributes.User
	if a.evaluateSubject(q, domain, subject{userSubject, u.Name}) {
		return true
	}
	for _, g := range u.Groups {
		if a.evaluateSubject(q, domain, subject{groupSubject, g}) {
			return true
		}
	}
	return false
}

func (a *Authorizer) evaluateSubject(q *query, domain string, s subject) bool {
	for _, name := range a.links.roles(domain, s) {
		r, ok := a.roles[name]
		if !ok {
			q.missing = append(q.missing, notFound(name))
			continue
		}
		for i := range r.rules {
			if ruleAllows(&r.rules[i], q.attributes) {
				q.allowedBy = line{s, name, domain}
				return true
			}
		}
	}
	return false
}

// reason names the oldest binding that gives a line.
func (a *Authorizer) reason(l line) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	of := a.lines[l]
	if len(of) == 0 {
		return ""
	}
	b := of[0]
	if b.key.namespace == "" {
		return fmt.Sprintf("RBAC: allowed by ClusterRoleBinding %q of ClusterRole %q to %s", b.key.name, b.roleName, b.describe(l.subject))
	}
	return fmt.Sprintf("RBAC: allowed by RoleBinding %q of %s %q to %s", b.key.name+"/"+b.key.namespace, b.roleKind, b.roleName, b.describe(l.subject))
}

// subjectsOf gives a user's subjects.
func subjectsOf(u *request.User) []subject {
	out := make([]subject, 0, 1+len(u.Groups))
	out = append(out, subject{userSubject, u.Name})
	for _, g := range u.Groups {
		out = append(out, subject{groupSubject, g})
	}
	return out
}
