// Package policy owns users' own policies: ValidatingAdmissionPolicy and
// MutatingAdmissionPolicy with their bindings. What they are is kept in step with
// the registry, compiled once per generation and looked up by what a write is
// about, so that writes without a policy cost a map access. Read source.go first,
// then validating.go and validator.go, mutating.go and patch.go.
package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// source keeps policies and their bindings, found by what a write is about. C is
// what a policy compiles to.
type source[C any] struct {
	registry *registry.Registry
	decode   func(raw []byte) (*definition[C], error)

	mu       sync.Mutex // guards policies and bindings
	policies map[string]*definition[C]
	bindings map[string]*binding
	current  atomic.Pointer[state[C]]
}

// definition is a policy.
type definition[C any] struct {
	name       string
	uid        types.UID
	generation int64
	rules      match.Rules
	selectors  match.Selectors
	// invalid is what is wrong with a stored policy.
	invalid   error
	paramKind *admissionregistrationv1.ParamKind
	// fail tells that failures refuse the write, and not that they are ignored.
	fail bool
	// compile compiles once, at the first use.
	compile func() C
}

// binding puts a policy to work.
type binding struct {
	name, policy string
	rules        match.Rules
	selectors    match.Selectors
	// everywhere is set for a binding without matchResources.
	everywhere bool
	paramRef   *admissionregistrationv1.ParamRef
	actions    []admissionregistrationv1.ValidationAction
}

// state is an index of one state of the policies, for one table of resources.
type state[C any] struct {
	table    *registry.Table
	policies []bound[C]
	// hooks are []hook[C] by place.
	hooks sync.Map
}

type bound[C any] struct {
	*definition[C]
	bindings []*binding
}

// place is where a write happens.
type place struct {
	operation   admission.Operation
	version     *registry.Version
	subresource string
}

// hook is a policy that may matter at a place.
type hook[C any] struct {
	*definition[C]
	matched  match.Matched
	bindings []boundHook
}

type boundHook struct {
	*binding
	matched match.Matched
}

// follow keeps the source in step with two resources.
func follow[C any](r *registry.Registry, policies, bindings string, decode func(raw []byte) (*definition[C], error)) *source[C] {
	s := &source[C]{registry: r, decode: decode, policies: map[string]*definition[C]{}, bindings: map[string]*binding{}}
	if store := r.Store(admissionregistrationv1.GroupName, policies); store != nil {
		store.Observe(s.policyChanged)
	}
	if store := r.Store(admissionregistrationv1.GroupName, bindings); store != nil {
		store.Observe(s.bindingChanged)
	}
	return s
}

func (s *source[C]) policyChanged(current, previous *watchcache.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.current.Store(nil)
	if current == nil {
		delete(s.policies, previous.Name)
		return
	}
	d, err := s.decode(current.Raw)
	if err != nil {
		klog.ErrorS(err, "Policy cannot be read", "policy", current.Name)
		delete(s.policies, current.Name)
		return
	}
	if old := s.policies[d.name]; old != nil && old.uid == d.uid && old.generation == d.generation {
		d.compile = old.compile // only its status or metadata changed
	}
	s.policies[d.name] = d
}

func (s *source[C]) bindingChanged(current, previous *watchcache.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.current.Store(nil)
	if current == nil {
		delete(s.bindings, previous.Name)
		return
	}
	b, err := decodeBinding(current.Raw)
	if err != nil {
		klog.ErrorS(err, "Policy binding cannot be read", "binding", current.Name)
		delete(s.bindings, current.Name)
		return
	}
	s.bindings[b.name] = b
}

// at gives the policies that may matter for a write, in the order of their
// names.
func (s *source[C]) at(a *admission.Attributes) []hook[C] {
	st := s.current.Load()
	if st == nil || st.table != s.registry.Table() {
		st = s.rebuild()
	}
	if len(st.policies) == 0 {
		return nil
	}
	k := place{a.Operation, a.Entry.Version, a.Subresource}
	if hooks, ok := st.hooks.Load(k); ok {
		return hooks.([]hook[C])
	}
	hooks := st.find(match.PlaceOf(a))
	st.hooks.Store(k, hooks)
	return hooks
}

func (s *source[C]) rebuild() *state[C] {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := s.registry.Table()
	if st := s.current.Load(); st != nil && st.table == table {
		return st
	}
	of := map[string][]*binding{}
	for _, b := range s.bindings {
		of[b.policy] = append(of[b.policy], b)
	}
	st := &state[C]{table: table}
	for _, d := range s.policies {
		if list := of[d.name]; len(list) > 0 {
			slices.SortFunc(list, func(a, b *binding) int { return strings.Compare(a.name, b.name) })
			st.policies = append(st.policies, bound[C]{d, list})
		}
	}
	slices.SortFunc(st.policies, func(a, b bound[C]) int { return strings.Compare(a.name, b.name) })
	s.current.Store(st)
	return st
}

func (st *state[C]) find(p match.Place) []hook[C] {
	var hooks []hook[C]
	for _, b := range st.policies {
		matched, ok := b.rules.For(st.table, p)
		if !ok && b.invalid == nil {
			continue
		}
		h := hook[C]{definition: b.definition, matched: matched}
		for _, one := range b.bindings {
			if m, ok := one.rules.For(st.table, p); ok || one.everywhere {
				h.bindings = append(h.bindings, boundHook{one, m})
			}
		}
		if len(h.bindings) > 0 || h.invalid != nil || h.paramKind != nil {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// common is what both kinds of policies have.
type common struct {
	Name             string
	UID              types.UID
	Generation       int64
	ParamKind        *admissionregistrationv1.ParamKind
	MatchConstraints *admissionregistrationv1.MatchResources
	FailurePolicy    *admissionregistrationv1.FailurePolicyType
}

func newDefinition[C any](s common, compile func() C) *definition[C] {
	d := &definition[C]{
		name: s.Name, uid: s.UID, generation: s.Generation, paramKind: s.ParamKind,
		fail:    s.FailurePolicy == nil || *s.FailurePolicy != admissionregistrationv1.Ignore,
		compile: sync.OnceValue(compile),
	}
	m := s.MatchConstraints
	switch {
	case m == nil:
		d.invalid = fmt.Errorf("policy contained no match constraints, a required field")
		return d
	case m.NamespaceSelector == nil:
		d.invalid = errNoSelector("namespace")
	case m.ObjectSelector == nil:
		d.invalid = errNoSelector("object")
	}
	d.rules = match.OfResources(m, true)
	d.selectors = match.NewSelectors(m.NamespaceSelector, m.ObjectSelector)
	return d
}

func errNoSelector(which string) error {
	return fmt.Errorf("a nil %s selector was passed, please ensure selectors are initialized properly", which)
}

// decodeBinding reads a binding of either kind: they differ in validationActions
// alone.
func decodeBinding(raw []byte) (*binding, error) {
	var b admissionregistrationv1.ValidatingAdmissionPolicyBinding
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	out := &binding{name: b.Name, policy: b.Spec.PolicyName, paramRef: b.Spec.ParamRef, actions: b.Spec.ValidationActions}
	m := b.Spec.MatchResources
	if m == nil {
		out.everywhere = true
		return out, nil
	}
	out.rules = match.OfResources(m, true)
	out.selectors = match.NewSelectors(m.NamespaceSelector, m.ObjectSelector)
	return out, nil
}

// paramGVK is the kind of a policy's parameters.
func paramGVK(k *admissionregistrationv1.ParamKind) (schema.GroupVersionKind, error) {
	gv, err := schema.ParseGroupVersion(k.APIVersion)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("failed to parse paramKind APIVersion: %w", err)
	}
	return gv.WithKind(k.Kind), nil
}

// objectName is the name of an object, for reinvocation and messages.
type objectName struct{ namespace, name string }

// matches tells whether a policy is about a write whose object is obj at this
// moment, and as what.
func (h *hook[C]) matches(a *admission.Attributes, obj runtime.Object, n *match.Namespaces) (*match.Target, bool, error) {
	if h.invalid != nil {
		return nil, false, h.invalid
	}
	target, ok := h.matched.Pick(a.Name)
	if !ok {
		return nil, false, nil
	}
	ok, err := h.selectors.Match(a, obj, n)
	return target, ok, err
}

// matches is the same for a binding.
func (b *boundHook) matches(a *admission.Attributes, obj runtime.Object, n *match.Namespaces) (bool, error) {
	if b.everywhere {
		return true, nil
	}
	if _, ok := b.matched.Pick(a.Name); !ok {
		return false, nil
	}
	return b.selectors.Match(a, obj, n)
}
