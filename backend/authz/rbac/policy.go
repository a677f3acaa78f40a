package rbac

import (
	"encoding/json"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	userSubject  = "user:"
	groupSubject = "group:"

	serviceAccountPrefix = "system:serviceaccount:"
)

// subject is a user or a group; service accounts are users.
type subject struct{ kind, name string }

func (s subject) text() string { return s.kind + s.name }

func parseSubject(text string) subject {
	if name, ok := strings.CutPrefix(text, groupSubject); ok {
		return subject{groupSubject, name}
	}
	return subject{userSubject, strings.TrimPrefix(text, userSubject)}
}

// line is one g line: a subject has a role in a domain.
type line struct {
	subject subject
	role    string
	domain  string
}

func (l line) rule() []string { return []string{l.subject.text(), l.role, l.domain} }

// role is one p line with its rules ready to evaluate.
type role struct {
	name  string
	text  string
	rules []rbacv1.PolicyRule
}

// roleName is how a role is called in p and g lines: NAMESPACE/NAME, or NAME for
// a ClusterRole. A namespace has no slash, a ClusterRole's name neither.
func roleName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func notFound(name string) error {
	resource := rbacv1.Resource("clusterrole")
	if namespace, bare, ok := strings.Cut(name, "/"); ok && namespace != "" {
		resource, name = rbacv1.Resource("role"), bare
	}
	return apierrors.NewNotFound(resource, name)
}

type bindingKey struct{ namespace, name string }

// binding is one RoleBinding or, with an empty namespace, ClusterRoleBinding.
type binding struct {
	key                bindingKey
	roleKind, roleName string
	subjects           []rbacv1.Subject
	lines              []line
}

// describe gives a subject in the words that the binding uses.
func (b *binding) describe(s subject) string {
	for i := range b.subjects {
		x := &b.subjects[i]
		if got, ok := subjectIn(x, b.key.namespace); ok && got == s {
			if x.Kind == rbacv1.ServiceAccountKind {
				return fmt.Sprintf("ServiceAccount %q", x.Name+"/"+x.Namespace)
			}
			return fmt.Sprintf("%s %q", x.Kind, x.Name)
		}
	}
	return fmt.Sprintf("%q", s.name)
}

// subjectIn reads a binding's subject; ok is false for one that stands for
// nobody.
func subjectIn(s *rbacv1.Subject, namespace string) (subject, bool) {
	switch s.Kind {
	case rbacv1.UserKind:
		return subject{userSubject, s.Name}, true
	case rbacv1.GroupKind:
		return subject{groupSubject, s.Name}, true
	case rbacv1.ServiceAccountKind:
		ns := s.Namespace
		if ns == "" {
			ns = namespace
		}
		if ns == "" {
			return subject{}, false
		}
		return subject{userSubject, serviceAccountPrefix + ns + ":" + s.Name}, true
	}
	return subject{}, false
}

// SetRole adds or replaces a Role, or with an empty namespace a ClusterRole. It
// takes effect before it returns. rules are not to be changed afterwards.
func (a *Authorizer) SetRole(namespace, name string, rules []rbacv1.PolicyRule) error {
	text, err := json.Marshal(rules)
	if err != nil {
		return fmt.Errorf("rules of role %s: %w", name, err)
	}
	next := &role{roleName(namespace, name), string(text), rules}
	a.write.Lock()
	defer a.write.Unlock()
	defer a.generation.Add(1)
	a.mu.Lock()
	before, ok := a.roles[next.name]
	a.roles[next.name] = next
	a.mu.Unlock()
	switch {
	case !ok:
		_, err = a.enforcer.AddPolicy(next.name, next.text)
	case before.text != next.text:
		_, err = a.enforcer.UpdatePolicy([]string{before.name, before.text}, []string{next.name, next.text})
	}
	return err
}

// DeleteRole takes a role away.
func (a *Authorizer) DeleteRole(namespace, name string) error {
	a.write.Lock()
	defer a.write.Unlock()
	defer a.generation.Add(1)
	a.mu.Lock()
	r, ok := a.roles[roleName(namespace, name)]
	delete(a.roles, roleName(namespace, name))
	a.mu.Unlock()
	if !ok {
		return nil
	}
	_, err := a.enforcer.RemovePolicy(r.name, r.text)
	return err
}

// SetBinding adds or replaces a RoleBinding, or with an empty namespace a
// ClusterRoleBinding. It takes effect before it returns.
func (a *Authorizer) SetBinding(namespace, name string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) error {
	b := &binding{key: bindingKey{namespace, name}, roleKind: ref.Kind, roleName: ref.Name, subjects: subjects}
	target, domain := ref.Name, everywhere
	if namespace != "" {
		domain = namespace
		if ref.Kind == "Role" {
			target = roleName(namespace, ref.Name)
		}
	}
	seen := map[line]bool{}
	for i := range subjects {
		if s, ok := subjectIn(&subjects[i], namespace); ok {
			if l := (line{s, target, domain}); !seen[l] {
				seen[l] = true
				b.lines = append(b.lines, l)
			}
		}
	}
	a.write.Lock()
	defer a.write.Unlock()
	defer a.generation.Add(1)
	before := a.bindings[b.key]
	a.bindings[b.key] = b
	for _, l := range b.lines {
		if err := a.addLine(l, b); err != nil {
			return err
		}
	}
	if before != nil {
		return a.dropLines(before)
	}
	return nil
}

// DeleteBinding takes a binding away.
func (a *Authorizer) DeleteBinding(namespace, name string) error {
	a.write.Lock()
	defer a.write.Unlock()
	defer a.generation.Add(1)
	b, ok := a.bindings[bindingKey{namespace, name}]
	if !ok {
		return nil
	}
	delete(a.bindings, b.key)
	return a.dropLines(b)
}

// addLine makes b one of those that give l; the first one adds it to Casbin.
func (a *Authorizer) addLine(l line, b *binding) error {
	a.mu.Lock()
	of := a.lines[l]
	a.lines[l] = append(of, b)
	if a.byRole[l.role] == nil {
		a.byRole[l.role] = map[line]struct{}{}
	}
	a.byRole[l.role][l] = struct{}{}
	a.mu.Unlock()
	if len(of) > 0 {
		return nil
	}
	_, err := a.enforcer.AddGroupingPolicy(l.rule())
	return err
}

// dropLines takes b away from its lines; the last one removes a line from
// Casbin.
func (a *Authorizer) dropLines(b *binding) error {
	for _, l := range b.lines {
		if a.forget(l, b) {
			if _, err := a.enforcer.RemoveGroupingPolicy(l.rule()); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes b away from one line and tells whether it was the last.
func (a *Authorizer) forget(l line, b *binding) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.lines[l]
	kept := make([]*binding, 0, len(of))
	for _, x := range of {
		if x != b {
			kept = append(kept, x)
		}
	}
	if len(kept) > 0 {
		a.lines[l] = kept
		return false
	}
	delete(a.lines, l)
	delete(a.byRole[l.role], l)
	if len(a.byRole[l.role]) == 0 {
		delete(a.byRole, l.role)
	}
	return true
}
