package rbac

import (
	"slices"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Allows tells whether one of some rules covers a request.
func Allows(rules []rbacv1.PolicyRule, at *authz.Attributes) bool {
	for i := range rules {
		if ruleAllows(&rules[i], at) {
			return true
		}
	}
	return false
}

// ruleAllows tells whether a rule covers a request, with the meaning that
// Kubernetes gives to *, to RESOURCE/SUBRESOURCE and to */SUBRESOURCE.
func ruleAllows(rule *rbacv1.PolicyRule, at *authz.Attributes) bool {
	if !has(rule.Verbs, at.Verb) {
		return false
	}
	if !at.IsResource {
		return pathMatches(rule.NonResourceURLs, at.Path)
	}
	return has(rule.APIGroups, at.Group) &&
		resourceMatches(rule.Resources, at.Resource, at.Subresource) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, at.Name))
}

func has(list []string, want string) bool {
	for _, s := range list {
		if s == "*" || s == want {
			return true
		}
	}
	return false
}

func resourceMatches(list []string, resource, subresource string) bool {
	for _, s := range list {
		if s == "*" {
			return true
		}
		base, sub, has := strings.Cut(s, "/")
		if !has {
			if subresource == "" && s == resource {
				return true
			}
			continue
		}
		if subresource != "" && sub == subresource && (base == "*" || base == resource) {
			return true
		}
	}
	return false
}

func pathMatches(list []string, path string) bool {
	for _, s := range list {
		if s == "*" || s == path {
			return true
		}
		if prefix, ok := strings.CutSuffix(s, "*"); ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// RulesFor gives the rules that a user has in a namespace (empty: those of the
// cluster alone) and the roles that bindings name and that do not exist. The
// rules are shared.
func (a *Authorizer) RulesFor(u *request.User, namespace string) (rules []rbacv1.PolicyRule, missing []error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	domains := []string{everywhere}
	if namespace != "" {
		domains = append(domains, namespace)
	}
	for _, domain := range domains {
		for _, s := range subjectsOf(u) {
			for _, name := range a.links.roles(domain, s) {
				if r, ok := a.roles[name]; ok {
					rules = append(rules, r.rules...)
				} else {
					missing = append(missing, notFound(name))
				}
			}
		}
	}
	return rules, missing
}

// RoleRules gives a role's rules.
func (a *Authorizer) RoleRules(namespace, name string) (rules []rbacv1.PolicyRule, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	r, ok := a.roles[roleName(namespace, name)]
	if !ok {
		return nil, false
	}
	return r.rules, true
}

// Grant is one way in which a subject may do something.
type Grant struct {
	Subject rbacv1.Subject
	// BindingNamespace is empty for a ClusterRoleBinding.
	BindingNamespace, BindingName string
	RoleKind, RoleName            string
	Rule                          rbacv1.PolicyRule
}

// WhoCan lists everyone who may do what the attributes say (their User is
// ignored), each with the binding, role and rule that grants it, ordered by
// nothing in particular.
func (a *Authorizer) WhoCan(at *authz.Attributes) []Grant {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []Grant
	for name, r := range a.roles {
		for i := range r.rules {
			if !ruleAllows(&r.rules[i], at) {
				continue
			}
			for l := range a.byRole[name] {
				if l.domain != everywhere && l.domain != at.Namespace {
					continue
				}
				for _, b := range a.lines[l] {
					for _, s := range b.subjects {
						if got, ok := subjectIn(&s, b.key.namespace); ok && got == l.subject {
							out = append(out, Grant{s, b.key.namespace, b.key.name, b.roleKind, b.roleName, r.rules[i]})
						}
					}
				}
			}
			break
		}
	}
	return out
}
