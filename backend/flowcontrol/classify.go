package flowcontrol

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"pilothouse/backend/request"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

// rules are all schemas whose level exists, in the order in which they are
// tried. They never change once they are made.
type rules struct{ schemas []*schema }

// schema is a FlowSchema, ready to be matched.
type schema struct {
	name, uid  string
	level      *level
	method     flowcontrolv1.FlowDistinguisherMethodType // "" for one flow
	precedence int32
	rules      []flowcontrolv1.PolicyRulesWithSubjects

	*counts
}

// counts are what became of the requests of a schema. They go on when it
// changes.
type counts struct {
	dispatched, refusedFull, refusedBusy, refusedLate atomic.Int64
}

// compile orders the schemas by precedence, then by name.
func compile(schemas map[string]*flowcontrolv1.FlowSchema, levels map[string]*level, all map[string]*counts) *rules {
	var out rules
	for _, s := range schemas {
		l := levels[s.Spec.PriorityLevelConfiguration.Name]
		if l == nil {
			continue // its condition says that it is dangling
		}
		if all[s.Name] == nil {
			all[s.Name] = &counts{}
		}
		compiled := &schema{counts: all[s.Name], name: s.Name, uid: string(s.UID), level: l, precedence: s.Spec.MatchingPrecedence, rules: s.Spec.Rules}
		if m := s.Spec.DistinguisherMethod; m != nil {
			compiled.method = m.Type
		}
		out.schemas = append(out.schemas, compiled)
	}
	slices.SortFunc(out.schemas, func(a, b *schema) int {
		return cmp.Or(cmp.Compare(a.precedence, b.precedence), cmp.Compare(a.name, b.name))
	})
	return &out
}

// classify gives the first schema that a request matches, nil when there is
// none.
func (all *rules) classify(r *request.Request) *schema {
	for _, s := range all.schemas {
		for i := range s.rules {
			if matches(&s.rules[i], r) {
				return s
			}
		}
	}
	return nil
}

func matches(rule *flowcontrolv1.PolicyRulesWithSubjects, r *request.Request) bool {
	if !slices.ContainsFunc(rule.Subjects, func(s flowcontrolv1.Subject) bool { return isSubject(&s, r.User) }) {
		return false
	}
	if r.Info.IsResource {
		for i := range rule.ResourceRules {
			if isResource(&rule.ResourceRules[i], &r.Info) {
				return true
			}
		}
		return false
	}
	for i := range rule.NonResourceRules {
		if n := &rule.NonResourceRules[i]; has(n.Verbs, r.Info.Verb) && isPath(n.NonResourceURLs, r.Info.Path) {
			return true
		}
	}
	return false
}

const accountPrefix = "system:serviceaccount:"

func isSubject(s *flowcontrolv1.Subject, u *request.User) bool {
	switch {
	case u == nil:
		return false
	case s.Kind == flowcontrolv1.SubjectKindUser && s.User != nil:
		return s.User.Name == flowcontrolv1.NameAll || s.User.Name == u.Name
	case s.Kind == flowcontrolv1.SubjectKindGroup && s.Group != nil:
		return s.Group.Name == flowcontrolv1.NameAll || u.InGroup(s.Group.Name)
	case s.Kind == flowcontrolv1.SubjectKindServiceAccount && s.ServiceAccount != nil:
		account, ok := strings.CutPrefix(u.Name, accountPrefix)
		if !ok {
			return false
		}
		ns, name, ok := strings.Cut(account, ":")
		return ok && ns == s.ServiceAccount.Namespace && (s.ServiceAccount.Name == flowcontrolv1.NameAll || name == s.ServiceAccount.Name)
	}
	return false
}

func isResource(rule *flowcontrolv1.ResourcePolicyRule, info *request.Info) bool {
	return has(rule.Verbs, info.Verb) && has(rule.APIGroups, info.Group) && namesResource(rule.Resources, info) && inScope(rule, info)
}

func namesResource(resources []string, info *request.Info) bool {
	for _, r := range resources {
		switch {
		case r == flowcontrolv1.ResourceAll, r == info.Resource && info.Subresource == "":
			return true
		case info.Subresource == "":
			continue
		}
		if resource, sub, ok := strings.Cut(r, "/"); ok && resource == info.Resource && sub == info.Subresource {
			return true
		}
	}
	return false
}

func inScope(rule *flowcontrolv1.ResourcePolicyRule, info *request.Info) bool {
	if info.Namespace == "" {
		return rule.ClusterScope
	}
	return has(rule.Namespaces, info.Namespace)
}

func has(list []string, value string) bool {
	for _, v := range list {
		if v == "*" || v == value {
			return true
		}
	}
	return false
}

func isPath(patterns []string, path string) bool {
	for _, p := range patterns {
		if p == flowcontrolv1.NonResourceAll || p == path {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// flow tells a request's flow from others of its schema: a number by schema and
// user or namespace.
func (s *schema) flow(r *request.Request) uint64 {
	distinguisher := ""
	switch s.method {
	case flowcontrolv1.FlowDistinguisherMethodByUserType:
		distinguisher = r.User.Name
	case flowcontrolv1.FlowDistinguisherMethodByNamespaceType:
		distinguisher = r.Info.Namespace
	}
	return hash(hash(14695981039346656037, s.name), distinguisher)
}

// hash is FNV-1a, with a zero after the text.
func hash(h uint64, text string) uint64 {
	const prime = 1099511628211
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime
	}
	return h * prime
}

func (s *schema) refuse(why error) {
	switch why {
	case errFull:
		s.refusedFull.Add(1)
	case errBusy:
		s.refusedBusy.Add(1)
	default:
		s.refusedLate.Add(1)
	}
}
