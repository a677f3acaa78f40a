package quota

import (
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
)

// evaluator measures what the objects of one resource use.
type evaluator struct {
	group, resource string
	// handles tells whether a write can change what is used.
	handles func(op admission.Operation, subresource string) bool
	// counts tells whether the use of a name of a quota comes from these objects.
	counts func(name corev1.ResourceName) bool
	// use is what an object uses, by names of quotas.
	use func(obj runtime.Object) corev1.ResourceList
	// inScope tells whether a scope holds for an object; nil means none does.
	inScope func(s *corev1.ScopedResourceSelectorRequirement, obj runtime.Object) bool
	// lacks says what an object has to name because a quota counts it; nil and
	// empty mean nothing.
	lacks func(required []corev1.ResourceName, obj runtime.Object) string
	// counter tells that every object uses the same.
	counter bool
}

// countName is the name under which a quota limits the number of a resource's
// objects.
func countName(group, resource string) corev1.ResourceName {
	return corev1.ResourceName("count/" + schema.GroupResource{Group: group, Resource: resource}.String())
}

// aliases are the older names of some numbers of objects.
var aliases = map[string]corev1.ResourceName{
	"configmaps":             corev1.ResourceConfigMaps,
	"replicationcontrollers": corev1.ResourceReplicationControllers,
	"resourcequotas":         corev1.ResourceQuotas,
	"secrets":                corev1.ResourceSecrets,
}

// evaluatorFor gives the evaluator of a resource, nil for one that no quota can
// limit: what is not in a namespace or not kept, and events.
func (l *Ledger) evaluatorFor(r *registry.Resource) *evaluator {
	if !r.Namespaced || r.Virtual != nil || r.Name == "events" && (r.Group == "" || r.Group == "events.k8s.io") {
		return nil
	}
	switch (schema.GroupResource{Group: r.Group, Resource: r.Name}) {
	case schema.GroupResource{Resource: "pods"}:
		return l.pods
	case schema.GroupResource{Resource: "services"}:
		return servicesEvaluator
	case schema.GroupResource{Resource: "persistentvolumeclaims"}:
		return claimsEvaluator
	case schema.GroupResource{Group: "resource.k8s.io", Resource: "resourceclaims"}:
		return resourceClaimsEvaluator
	}
	return l.counter(r)
}

// counter gives the evaluator of a resource whose objects are only counted.
func (l *Ledger) counter(r *registry.Resource) *evaluator {
	gr := r.GroupResource()
	if e, ok := l.counters.Load(gr); ok {
		return e.(*evaluator)
	}
	name, alias := countName(r.Group, r.Name), corev1.ResourceName("")
	if r.Group == "" {
		alias = aliases[r.Name]
	}
	use := corev1.ResourceList{name: one()}
	if alias != "" {
		use[alias] = one()
	}
	e := &evaluator{
		group: r.Group, resource: r.Name,
		handles: created,
		counts:  func(n corev1.ResourceName) bool { return n == name || alias != "" && n == alias },
		use:     func(runtime.Object) corev1.ResourceList { return use },
		counter: true,
	}
	l.counters.Store(gr, e)
	return e
}

func created(op admission.Operation, subresource string) bool {
	return op == admission.Create && subresource == ""
}

func written(op admission.Operation, subresource string) bool {
	return subresource == "" && (op == admission.Create || op == admission.Update)
}

// selectorsOf gives all scopes of a quota in one form.
func selectorsOf(q *corev1.ResourceQuota) []corev1.ScopedResourceSelectorRequirement {
	var list []corev1.ScopedResourceSelectorRequirement
	for _, s := range q.Spec.Scopes {
		list = append(list, corev1.ScopedResourceSelectorRequirement{ScopeName: s, Operator: corev1.ScopeSelectorOpExists})
	}
	if q.Spec.ScopeSelector != nil {
		list = append(list, q.Spec.ScopeSelector.MatchExpressions...)
	}
	return list
}

// scoped tells whether all scopes of a quota hold for an object.
func (e *evaluator) scoped(q *corev1.ResourceQuota, obj runtime.Object) bool {
	selectors := selectorsOf(q)
	for i := range selectors {
		if e.inScope == nil || !e.inScope(&selectors[i], obj) {
			return false
		}
	}
	return true
}

// matchingScopes gives those of some scopes that hold for an object.
func (e *evaluator) matchingScopes(list []corev1.ScopedResourceSelectorRequirement, obj runtime.Object) []corev1.ScopedResourceSelectorRequirement {
	var out []corev1.ScopedResourceSelectorRequirement
	for i := range list {
		if e.inScope != nil && e.inScope(&list[i], obj) {
			out = append(out, list[i])
		}
	}
	return out
}

// counted gives the names of a list that these objects use.
func (e *evaluator) counted(list corev1.ResourceList) []corev1.ResourceName {
	var out []corev1.ResourceName
	for name := range list {
		if e.counts(name) {
			out = append(out, name)
		}
	}
	return out
}

// operators translates those of scopes.
var operators = map[corev1.ScopeSelectorOperator]selection.Operator{
	corev1.ScopeSelectorOpIn:           selection.In,
	corev1.ScopeSelectorOpNotIn:        selection.NotIn,
	corev1.ScopeSelectorOpExists:       selection.Exists,
	corev1.ScopeSelectorOpDoesNotExist: selection.DoesNotExist,
}

// valueInScope tells whether a value, empty for none, is one that a scope
// selects.
func valueInScope(s *corev1.ScopedResourceSelectorRequirement, value string) bool {
	r, err := labels.NewRequirement(string(s.ScopeName), operators[s.Operator], s.Values)
	if err != nil {
		return false
	}
	set := labels.Set{}
	if value != "" {
		set[string(s.ScopeName)] = value
	}
	return r.Matches(set)
}

func hasPrefix(name corev1.ResourceName, prefix string) bool {
	return strings.HasPrefix(string(name), prefix)
}
