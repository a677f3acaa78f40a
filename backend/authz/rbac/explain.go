package rbac

import (
	"slices"
	"strings"

	"pilothouse/backend/authz"
)

// Explain tells what allows a request now: the binding that Authorize names, and
// the rule of its role. It is false when nothing does.
func (a *Authorizer) Explain(at *authz.Attributes) (Grant, bool) {
	if at.User == nil {
		return Grant{}, false
	}
	q := &query{attributes: at}
	if !a.evaluate(q) {
		return Grant{}, false
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	r, bindings := a.roles[q.allowedBy.role], a.lines[q.allowedBy]
	if r == nil || len(bindings) == 0 {
		return Grant{}, false
	}
	b := bindings[0]
	g := Grant{BindingNamespace: b.key.namespace, BindingName: b.key.name, RoleKind: b.roleKind, RoleName: b.roleName}
	for i := range r.rules {
		if ruleAllows(&r.rules[i], at) {
			g.Rule = r.rules[i]
			break
		}
	}
	for _, s := range b.subjects {
		if got, ok := subjectIn(&s, b.key.namespace); ok && got == q.allowedBy.subject {
			g.Subject = s
		}
	}
	return g, true
}

// RolesAllowing names the roles that would allow a request if they were bound,
// "NAME" for ClusterRoles and "NAMESPACE/NAME" for Roles of the request's
// namespace, in order.
func (a *Authorizer) RolesAllowing(at *authz.Attributes) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []string
	for name, r := range a.roles {
		namespace, _, namespaced := strings.Cut(name, "/")
		if (!namespaced || namespace == at.Namespace) && Allows(r.rules, at) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
