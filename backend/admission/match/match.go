// Package match owns which writes users' own policies and webhooks are about:
// their rules, selectors and match policies, and the object of a write in the
// version that a rule names. What depends on the resource alone is worked out
// once (Rules.For), what depends on the object per write (Selectors). Read
// match.go first, then selectors.go and objects.go.
package match

import (
	"slices"
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Target is what a rule matched: the resource as the rule names it, which with
// the match policy Equivalent may be another version than that of the request.
type Target struct {
	Resource schema.GroupVersionResource
	Kind     schema.GroupVersionKind
	Version  *registry.Version
	// resource has the target's versions.
	resource *registry.Resource
}

// Rule is a rule that matches a resource, if the object has one of its names.
type Rule struct {
	Target Target
	names  []string
}

// Rules are the rules of a policy, a binding or a webhook.
type Rules struct {
	Include, Exclude []admissionregistrationv1.NamedRuleWithOperations
	// Equivalent lets a rule match other versions of what it names.
	Equivalent bool
	// Everything is what a binding without rules matches.
	Everything bool
}

// OfResources gives the rules of a policy, or of a binding when everything is
// true: without rules that matches all.
func OfResources(m *admissionregistrationv1.MatchResources, everything bool) Rules {
	return Rules{
		Include: m.ResourceRules, Exclude: m.ExcludeResourceRules,
		Equivalent: m.MatchPolicy == nil || *m.MatchPolicy == admissionregistrationv1.Equivalent,
		Everything: everything && len(m.ResourceRules) == 0,
	}
}

// OfWebhook gives the rules of a webhook.
func OfWebhook(rules []admissionregistrationv1.RuleWithOperations, policy *admissionregistrationv1.MatchPolicyType) Rules {
	r := Rules{Equivalent: policy != nil && *policy == admissionregistrationv1.Equivalent}
	for i := range rules {
		r.Include = append(r.Include, admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: rules[i]})
	}
	return r
}

// Place is the part of a write that rules look at, apart from names.
type Place struct {
	Operation   admission.Operation
	Entry       *registry.Entry
	Subresource string
	// Kind is that of the write's object.
	Kind schema.GroupVersionKind
}

// PlaceOf gives the place of a write.
func PlaceOf(a *admission.Attributes) Place {
	return Place{Operation: a.Operation, Entry: a.Entry, Subresource: a.Subresource, Kind: a.Kind}
}

// Matched are the rules that matter at a place: a write there matches unless
// one of Exclude has its name, with the first of Include that has it.
type Matched struct {
	include, exclude []Rule
}

// For gives the rules that matter at a place; false when none matches.
func (r *Rules) For(t *registry.Table, p Place) (Matched, bool) {
	var m Matched
	m.exclude = r.matching(r.Exclude, t, p)
	if slices.ContainsFunc(m.exclude, func(x Rule) bool { return len(x.names) == 0 }) {
		return m, false
	}
	if r.Everything {
		m.include = []Rule{{Target: p.target()}}
		return m, true
	}
	m.include = r.matching(r.Include, t, p)
	return m, len(m.include) > 0
}

// Pick gives what a write with a name is matched as.
func (m *Matched) Pick(name string) (*Target, bool) {
	for i := range m.exclude {
		if m.exclude[i].has(name) {
			return nil, false
		}
	}
	for i := range m.include {
		if m.include[i].has(name) {
			return &m.include[i].Target, true
		}
	}
	return nil, false
}

func (r *Rule) has(name string) bool { return len(r.names) == 0 || slices.Contains(r.names, name) }

// matching gives the rules that match, those that name the request's own
// version first.
func (r *Rules) matching(rules []admissionregistrationv1.NamedRuleWithOperations, t *registry.Table, p Place) []Rule {
	var out []Rule
	own := p.target()
	for i := range rules {
		if matches(&rules[i].RuleWithOperations, p, own.Resource) {
			out = append(out, Rule{Target: own, names: rules[i].ResourceNames})
		}
	}
	if !r.Equivalent {
		return out
	}
	others := equivalents(t, p)
	for i := range rules {
		for _, other := range others {
			if matches(&rules[i].RuleWithOperations, p, other.Resource) {
				out = append(out, Rule{Target: other, names: rules[i].ResourceNames})
			}
		}
	}
	return out
}

func matches(r *admissionregistrationv1.RuleWithOperations, p Place, gvr schema.GroupVersionResource) bool {
	return inScope(r.Scope, p) && hasOperation(r.Operations, p.Operation) &&
		hasOrStar(r.APIGroups, gvr.Group) && hasOrStar(r.APIVersions, gvr.Version) && hasResource(r.Resources, gvr.Resource, p.Subresource)
}

func inScope(scope *admissionregistrationv1.ScopeType, p Place) bool {
	if scope == nil {
		return true
	}
	switch *scope {
	case admissionregistrationv1.AllScopes:
		return true
	case admissionregistrationv1.NamespacedScope:
		return p.Entry.Resource.Namespaced
	case admissionregistrationv1.ClusterScope:
		return !p.Entry.Resource.Namespaced
	}
	return false
}

func hasOperation(operations []admissionregistrationv1.OperationType, op admission.Operation) bool {
	return slices.ContainsFunc(operations, func(o admissionregistrationv1.OperationType) bool {
		return o == admissionregistrationv1.OperationAll || o == admissionregistrationv1.OperationType(op)
	})
}

func hasOrStar(list []string, want string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == "*" || s == want })
}

// hasResource looks for RESOURCE or RESOURCE/SUBRESOURCE, with a star for either.
func hasResource(list []string, resource, subresource string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		r, sub, _ := strings.Cut(s, "/")
		return (r == "*" || r == resource) && (sub == "*" || sub == subresource)
	})
}

// target is the place itself.
func (p Place) target() Target {
	return Target{Resource: p.Entry.GVR(), Kind: p.Kind, Version: p.Entry.Version, resource: p.Entry.Resource}
}

// equivalents are the other versions of a place's resource, and the versions of
// resources of other groups that show the same objects.
func equivalents(t *registry.Table, p Place) []Target {
	own := p.Entry.Resource
	ownKind := p.Kind.GroupKind() == own.GroupKind()
	var out []Target
	add := func(r *registry.Resource) {
		for i := range r.Versions {
			v := &r.Versions[i]
			if v == p.Entry.Version || !servesIn(r, p.Subresource, v.Name) {
				continue
			}
			target := Target{Resource: r.GroupResource().WithVersion(v.Name), Kind: p.Kind, Version: v, resource: r}
			if ownKind {
				target.Kind = schema.GroupVersionKind{Group: r.Group, Version: v.Name, Kind: r.Kind}
			}
			out = append(out, target)
		}
	}
	add(own)
	home := own.GroupResource()
	if own.StoredAs != nil {
		home = *own.StoredAs
		if r, ok := t.Resource(home.Group, home.Resource); ok {
			add(r)
		}
	}
	for _, g := range t.Groups() {
		if g.Name == own.Group {
			continue
		}
		if r, ok := t.Resource(g.Name, own.Name); ok && r.StoredAs != nil && *r.StoredAs == home {
			add(r)
		}
	}
	return out
}

func servesIn(r *registry.Resource, subresource, version string) bool {
	if subresource == "" {
		return true
	}
	for i := range r.Subresources {
		if r.Subresources[i].Name == subresource {
			return r.Subresources[i].Serves(version)
		}
	}
	return false
}

// policyKinds and webhookKinds are out of reach of themselves: who writes one that
// refuses everything must be able to take it away again.
var policyKinds = []string{
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
}

var webhookKinds = []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}

// ForWebhooks tells whether webhooks are asked about a resource: about all but
// the configurations of webhooks and the policies themselves.
func ForWebhooks(e *registry.Entry) bool {
	return e.Resource.Group != admissionregistrationv1.GroupName ||
		!slices.Contains(policyKinds, e.Resource.Kind) && !slices.Contains(webhookKinds, e.Resource.Kind)
}

// reviews are never shown to policies: what they ask the authorizer would come
// back to them.
var reviews = []schema.GroupResource{
	{Group: "authentication.k8s.io", Resource: "selfsubjectreviews"},
	{Group: "authentication.k8s.io", Resource: "tokenreviews"},
	{Group: "authorization.k8s.io", Resource: "localsubjectaccessreviews"},
	{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"},
	{Group: "authorization.k8s.io", Resource: "selfsubjectrulesreviews"},
	{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"},
}

// ForPolicies tells whether policies are asked about a resource: about all but
// reviews and the policies themselves.
func ForPolicies(e *registry.Entry) bool {
	if e.Resource.Group == admissionregistrationv1.GroupName && slices.Contains(policyKinds, e.Resource.Kind) {
		return false
	}
	return !slices.Contains(reviews, e.Resource.GroupResource())
}
