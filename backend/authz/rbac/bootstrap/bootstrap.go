// Package bootstrap knows the Roles, ClusterRoles and bindings that a server
// starts with, as Kubernetes 1.36 has them ("default roles and role bindings" in
// its RBAC documentation). policy.txt holds them in a notation of its own that
// its first lines explain.
package bootstrap

import (
	_ "embed"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

//go:embed policy.txt
var policyText string

// Policy is a set of RBAC objects. Kinds are in the order in which they are to
// be written.
type Policy struct {
	ClusterRoles        []rbacv1.ClusterRole
	Roles               []rbacv1.Role
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	RoleBindings        []rbacv1.RoleBinding
}

// Default gives the policy of an empty start; the objects are the caller's.
func Default() (*Policy, error) {
	return parse(policyText)
}

// parse reads the notation of policy.txt.
func parse(text string) (*Policy, error) {
	p := &Policy{}
	var inside func(words []string) error
	for n, text := range strings.Split(text, "\n") {
		words := strings.Fields(text)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var err error
		if strings.HasPrefix(text, " ") {
			if inside == nil {
				err = fmt.Errorf("nothing to belong to")
			} else {
				err = inside(words)
			}
		} else {
			inside, err = p.object(words)
		}
		if err != nil {
			return nil, fmt.Errorf("policy line %d: %w", n+1, err)
		}
	}
	return p, nil
}

// object begins an object and gives what reads the lines inside it.
func (p *Policy) object(words []string) (inside func([]string) error, err error) {
	kind, args := words[0], words[1:]
	switch {
	case kind == "clusterrole" && len(args) >= 1:
		p.ClusterRoles = append(p.ClusterRoles, rbacv1.ClusterRole{ObjectMeta: objectMeta("", args[0], args[1:])})
		i := len(p.ClusterRoles) - 1
		return func(w []string) error {
			r := &p.ClusterRoles[i]
			if w[0] == "aggregate" && len(w) == 2 {
				return aggregate(r, w[1])
			}
			return addRule(&r.Rules, w)
		}, nil
	case kind == "role" && len(args) == 2:
		p.Roles = append(p.Roles, rbacv1.Role{ObjectMeta: objectMeta(args[0], args[1], nil)})
		i := len(p.Roles) - 1
		return func(w []string) error { return addRule(&p.Roles[i].Rules, w) }, nil
	case kind == "clusterbinding" && len(args) == 2:
		p.ClusterRoleBindings = append(p.ClusterRoleBindings, rbacv1.ClusterRoleBinding{ObjectMeta: objectMeta("", args[0], nil), RoleRef: roleRef("clusterrole", args[1])})
		i := len(p.ClusterRoleBindings) - 1
		return func(w []string) error { return addSubject(&p.ClusterRoleBindings[i].Subjects, w) }, nil
	case kind == "binding" && len(args) == 4:
		p.RoleBindings = append(p.RoleBindings, rbacv1.RoleBinding{ObjectMeta: objectMeta(args[0], args[1], nil), RoleRef: roleRef(args[2], args[3])})
		i := len(p.RoleBindings) - 1
		return func(w []string) error { return addSubject(&p.RoleBindings[i].Subjects, w) }, nil
	}
	return nil, fmt.Errorf("unknown object %q", strings.Join(words, " "))
}

func objectMeta(namespace, name string, labels []string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name,
		Labels:      map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"},
		Annotations: map[string]string{rbacv1.AutoUpdateAnnotationKey: "true"}}
	for _, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		m.Labels[key] = value
	}
	return m
}

func aggregate(r *rbacv1.ClusterRole, label string) error {
	key, value, ok := strings.Cut(label, "=")
	if !ok {
		return fmt.Errorf("%q is no label", label)
	}
	if r.AggregationRule == nil {
		r.AggregationRule = &rbacv1.AggregationRule{}
	}
	r.AggregationRule.ClusterRoleSelectors = append(r.AggregationRule.ClusterRoleSelectors, metav1.LabelSelector{MatchLabels: map[string]string{key: value}})
	return nil
}

func list(word string) []string {
	out := strings.Split(word, ",")
	for i := range out {
		if out[i] == "core" {
			out[i] = ""
		}
	}
	return out
}

func addRule(rules *[]rbacv1.PolicyRule, w []string) error {
	switch {
	case len(w) == 3 && w[1] == "url":
		*rules = append(*rules, rbacv1.PolicyRule{Verbs: list(w[0]), NonResourceURLs: list(w[2])})
	case len(w) == 3:
		*rules = append(*rules, rbacv1.PolicyRule{Verbs: list(w[0]), APIGroups: list(w[1]), Resources: list(w[2])})
	case len(w) == 4:
		*rules = append(*rules, rbacv1.PolicyRule{Verbs: list(w[0]), APIGroups: list(w[1]), Resources: list(w[2]), ResourceNames: list(w[3])})
	default:
		return fmt.Errorf("%q is no rule", strings.Join(w, " "))
	}
	return nil
}

func roleRef(kind, name string) rbacv1.RoleRef {
	kinds := map[string]string{"role": "Role", "clusterrole": "ClusterRole"}
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kinds[kind], Name: name}
}

func addSubject(subjects *[]rbacv1.Subject, w []string) error {
	switch {
	case w[0] == "user" && len(w) == 2:
		*subjects = append(*subjects, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: w[1]})
	case w[0] == "group" && len(w) == 2:
		*subjects = append(*subjects, rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: w[1]})
	case w[0] == "serviceaccount" && len(w) == 3:
		*subjects = append(*subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: w[1], Name: w[2]})
	default:
		return fmt.Errorf("%q is no subject", strings.Join(w, " "))
	}
	return nil
}
