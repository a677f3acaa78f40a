package rbac

import (
	"errors"
	"slices"
	"sync"

	"github.com/casbin/casbin/v2/log"
	"github.com/casbin/casbin/v2/rbac"
)

// roleManager is Casbin's role manager as RBAC needs it: domain, then subject,
// then roles; no inheritance, no patterns. Its lists are copied on write, so a
// reader may keep one.
type roleManager struct {
	mu sync.RWMutex
	of map[linkKey][]string
}

type linkKey struct {
	domain  string
	subject subject
}

var _ rbac.RoleManager = (*roleManager)(nil)

func newRoleManager() *roleManager { return &roleManager{of: map[linkKey][]string{}} }

// roles gives the roles of a subject in a domain; the list is not to be changed.
func (m *roleManager) roles(domain string, s subject) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.of[linkKey{domain, s}]
}

func domainOf(domain []string) string {
	if len(domain) == 0 {
		return everywhere
	}
	return domain[0]
}

// Clear forgets everything.
func (m *roleManager) Clear() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of = map[linkKey][]string{}
	return nil
}

// AddLink gives a subject a role in a domain.
func (m *roleManager) AddLink(subject, role string, domain ...string) error {
	k := linkKey{domainOf(domain), parseSubject(subject)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if list := m.of[k]; !slices.Contains(list, role) {
		m.of[k] = append(slices.Clip(list), role)
	}
	return nil
}

// DeleteLink takes a role from a subject in a domain.
func (m *roleManager) DeleteLink(subject, role string, domain ...string) error {
	k := linkKey{domainOf(domain), parseSubject(subject)}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.of[k]
	i := slices.Index(list, role)
	if i < 0 {
		return nil
	}
	if len(list) == 1 {
		delete(m.of, k)
		return nil
	}
	m.of[k] = slices.Concat(list[:i], list[i+1:])
	return nil
}

// HasLink tells whether a subject has a role in a domain.
func (m *roleManager) HasLink(subject, role string, domain ...string) (bool, error) {
	return slices.Contains(m.roles(domainOf(domain), parseSubject(subject)), role), nil
}

// GetRoles gives the roles of a subject in a domain.
func (m *roleManager) GetRoles(subject string, domain ...string) ([]string, error) {
	return slices.Clone(m.roles(domainOf(domain), parseSubject(subject))), nil
}

// GetUsers gives the subjects that have a role in a domain.
func (m *roleManager) GetUsers(role string, domain ...string) ([]string, error) {
	d := domainOf(domain)
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []string
	for k, roles := range m.of {
		if k.domain == d && slices.Contains(roles, role) {
			out = append(out, k.subject.text())
		}
	}
	slices.Sort(out)
	return out, nil
}

// GetImplicitRoles is GetRoles: roles inherit nothing.
func (m *roleManager) GetImplicitRoles(subject string, domain ...string) ([]string, error) {
	return m.GetRoles(subject, domain...)
}

// GetImplicitUsers is GetUsers: roles inherit nothing.
func (m *roleManager) GetImplicitUsers(role string, domain ...string) ([]string, error) {
	return m.GetUsers(role, domain...)
}

// GetDomains gives the domains in which a subject has a role.
func (m *roleManager) GetDomains(subject string) ([]string, error) {
	s := parseSubject(subject)
	return m.domains(func(k linkKey) bool { return k.subject == s }), nil
}

// GetAllDomains gives all domains.
func (m *roleManager) GetAllDomains() ([]string, error) {
	return m.domains(func(linkKey) bool { return true }), nil
}

func (m *roleManager) domains(want func(linkKey) bool) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []string
	for k := range m.of {
		if want(k) {
			out = append(out, k.domain)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// DeleteDomain forgets a domain.
func (m *roleManager) DeleteDomain(domain string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.of {
		if k.domain == domain {
			delete(m.of, k)
		}
	}
	return nil
}

// Match tells whether two names are the same: there are no patterns.
func (m *roleManager) Match(str, pattern string) bool { return str == pattern }

// BuildRelationship is deprecated in Casbin.
func (m *roleManager) BuildRelationship(string, string, ...string) error {
	return errors.New("use AddLink")
}

// PrintRoles prints nothing: the API shows the same objects.
func (m *roleManager) PrintRoles() error { return nil }

// SetLogger has no effect.
func (m *roleManager) SetLogger(log.Logger) {}

// AddMatchingFunc has no effect: there are no patterns.
func (m *roleManager) AddMatchingFunc(string, rbac.MatchingFunc) {}

// AddDomainMatchingFunc has no effect: "*" and the namespace are asked
// separately.
func (m *roleManager) AddDomainMatchingFunc(string, rbac.MatchingFunc) {}
