package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// LimitedResource is a resource that may be used only where a quota limits it,
// as in a ResourceQuotaConfiguration.
type LimitedResource struct {
	APIGroup string `json:"apiGroup,omitempty"`
	Resource string `json:"resource"`
	// MatchContains are parts of the names of what is limited.
	MatchContains []string `json:"matchContains,omitempty"`
	// MatchScopes are the scopes that need a quota of their own.
	MatchScopes []corev1.ScopedResourceSelectorRequirement `json:"matchScopes,omitempty"`
}

// delta is what a write adds to the use that a quota counts: all of a new
// object, the growth of one that the quota has counted already. It is never
// negative: what gets less is found by the recount, after the write.
func (c *charge) delta(q *corev1.ResourceQuota) corev1.ResourceList {
	if !c.e.scoped(q, c.a.Object) {
		return nil
	}
	use := c.e.use(c.a.Object)
	if c.a.Operation != admission.Update || c.a.Old == nil || !existed(c.a) || !c.e.scoped(q, c.a.Old) {
		return use
	}
	return grown(use, c.e.use(c.a.Old))
}

// existed tells an update from one that creates.
func existed(a *admission.Attributes) bool {
	m, err := meta.Accessor(a.Old)
	return err == nil && m.GetResourceVersion() != ""
}

// to adds a write to the accounts that count it, all or none.
func (c *charge) to(accounts []*account, limited []LimitedResource) error {
	var counting []*account
	covered := map[corev1.ResourceName]bool{}
	var scopes []corev1.ScopedResourceSelectorRequirement
	for _, a := range accounts {
		scopes = append(scopes, c.e.matchingScopes(selectorsOf(a.quota), c.a.Object)...)
		names := c.e.counted(a.quota.Status.Hard)
		if len(names) == 0 || !c.e.scoped(a.quota, c.a.Object) {
			continue
		}
		if c.e.lacks != nil {
			if fault := c.e.lacks(names, c.a.Object); fault != "" {
				return admission.Forbid(c.a, fmt.Sprintf("failed quota: %s: %s", a.quota.Name, fault))
			}
		}
		counting = append(counting, a)
		for _, name := range names {
			covered[name] = true
		}
	}
	use := c.e.use(c.a.Object)
	if below := negative(use); len(below) > 0 {
		return admission.Forbid(c.a, "quota usage is negative for resource(s): "+names(below))
	}
	if c.addsNothing(counting) {
		return nil
	}
	if err := c.checkLimited(limited, use, covered, scopes); err != nil {
		return err
	}
	return c.add(counting)
}

// addsNothing tells that a write changes no number.
func (c *charge) addsNothing(counting []*account) bool {
	if len(counting) == 0 {
		return len(positive(c.delta(&corev1.ResourceQuota{}))) == 0
	}
	for _, a := range counting {
		if len(positive(c.delta(a.quota))) > 0 {
			return false
		}
	}
	return true
}

// add checks that a write fits everywhere, then adds it.
func (c *charge) add(counting []*account) error {
	sums := make([]corev1.ResourceList, len(counting))
	for i, a := range counting {
		asked := only(positive(c.delta(a.quota)), a.quota.Status.Hard)
		sums[i] = add(a.quota.Status.Used, asked)
		if c.a.Subresource == "status" {
			continue // what has happened already
		}
		exceeded := over(only(sums[i], asked), a.quota.Status.Hard)
		if len(exceeded) > 0 {
			return admission.Forbid(c.a, fmt.Sprintf("exceeded quota: %s, requested: %s, used: %s, limited: %s", a.quota.Name,
				text(only(asked, exceeded)), text(only(a.quota.Status.Used, exceeded)), text(only(a.quota.Status.Hard, exceeded))))
		}
	}
	if c.a.DryRun {
		return nil
	}
	for i, a := range counting {
		if !equal(sums[i], a.quota.Status.Used) {
			a.quota.Status.Used, a.changed = sums[i], true
		}
	}
	return nil
}

// checkLimited refuses the use of what needs a quota and has none.
func (c *charge) checkLimited(limited []LimitedResource, use corev1.ResourceList, covered map[corev1.ResourceName]bool, matched []corev1.ScopedResourceSelectorRequirement) error {
	var open []string
	var scopes []corev1.ScopedResourceSelectorRequirement
	for i := range limited {
		r := &limited[i]
		scopes = append(scopes, c.e.matchingScopes(r.MatchScopes, c.a.Object)...)
		if r.APIGroup != c.e.group || r.Resource != c.e.resource {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(use)) {
			q := use[name]
			contained := slices.ContainsFunc(r.MatchContains, func(part string) bool { return strings.Contains(string(name), part) })
			if q.Sign() > 0 && contained && !covered[name] && !slices.Contains(open, string(name)) {
				open = append(open, string(name))
			}
		}
	}
	if len(open) > 0 {
		slices.Sort(open)
		return admission.Forbid(c.a, "insufficient quota to consume: "+strings.Join(open, ","))
	}
	uncovered := slices.DeleteFunc(scopes, func(s corev1.ScopedResourceSelectorRequirement) bool {
		return slices.ContainsFunc(matched, func(m corev1.ScopedResourceSelectorRequirement) bool { return m.ScopeName == s.ScopeName })
	})
	if len(uncovered) > 0 {
		return admission.Failed(fmt.Sprintf("insufficient quota to match these scopes: %v", uncovered))
	}
	return nil
}
