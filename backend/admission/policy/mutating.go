package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/admission/reinvoke"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Mutating is the plugin MutatingAdmissionPolicy.
type Mutating struct {
	source     *source[*mutator]
	params     *params
	namespaces *match.Namespaces
	authorizer authz.Authorizer
}

// mutator is a compiled MutatingAdmissionPolicy.
type mutator struct {
	err        error
	compiler   *cel.Compiler
	conditions *cel.Conditions
	mutations  []compiledMutation
	// again tells that the policy wants to see what is changed after it.
	again bool
}

// NewMutating gives the plugin, in step with the registry's policies.
func NewMutating(r *registry.Registry, a authz.Authorizer) *Mutating {
	return &Mutating{
		source:     follow(r, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", decodeMutating),
		params:     newParams(r),
		namespaces: match.NewNamespaces(r),
		authorizer: a,
	}
}

// Name is what the flags call the plugin.
func (*Mutating) Name() string { return "MutatingAdmissionPolicy" }

// Handles tells whether policies may be about a write. A delete has nothing to
// change.
func (*Mutating) Handles(op admission.Operation, e *registry.Entry, _ string) bool {
	return op != admission.Delete && match.ForPolicies(e)
}

func decodeMutating(raw []byte) (*definition[*mutator], error) {
	var p admissionregistrationv1.MutatingAdmissionPolicy
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	s := common{
		Name: p.Name, UID: p.UID, Generation: p.Generation, ParamKind: p.Spec.ParamKind,
		MatchConstraints: p.Spec.MatchConstraints, FailurePolicy: p.Spec.FailurePolicy,
	}
	return newDefinition(s, func() *mutator { return compileMutating(p.Name, &p.Spec) }), nil
}

func compileMutating(name string, p *admissionregistrationv1.MutatingAdmissionPolicySpec) *mutator {
	c, err := cel.NewComposed()
	if err != nil {
		return &mutator{err: fmt.Errorf("failed to initialize CEL compiler: %w", err)}
	}
	declared := cel.Declared{Params: p.ParamKind != nil, Authorizer: true}
	const stored = environment.StoredExpressions
	for _, v := range p.Variables {
		c.AddVariable(v.Name, v.Expression, declared, stored)
	}
	out := &mutator{
		compiler: c, conditions: cel.NewConditions(cel.Owner{Kind: "policy", Type: "validate", Name: name}, c, p.MatchConditions, declared, p.FailurePolicy),
		again: p.ReinvocationPolicy == admissionregistrationv1.IfNeededReinvocationPolicy,
	}
	declared.Patches = true
	for _, m := range p.Mutations {
		switch {
		case m.PatchType == admissionregistrationv1.PatchTypeApplyConfiguration && m.ApplyConfiguration != nil:
			text := m.ApplyConfiguration.Expression
			out.mutations = append(out.mutations, compiledMutation{text, c.Compile(cel.ApplyConfiguration(text), declared, stored), applyConfiguration})
		case m.PatchType == admissionregistrationv1.PatchTypeJSONPatch && m.JSONPatch != nil:
			text := m.JSONPatch.Expression
			out.mutations = append(out.mutations, compiledMutation{text, c.Compile(cel.JSONPatch(text), declared, stored), jsonPatch})
		}
	}
	return out
}

// invocation is a policy that is to be called with one element of parameters.
type invocation struct {
	hook    *hook[*mutator]
	binding *boundHook
	target  *match.Target
	param   *param
}

// callKey names an invocation between the passes.
type callKey struct {
	policy, binding string
	param           objectName
}

func (i *invocation) key() callKey {
	k := callKey{policy: i.hook.name, binding: i.binding.name}
	if i.param != nil {
		k.param = i.param.objectName
	}
	return k
}

// Mutate lets the policies change a write in the order of their names.
func (m *Mutating) Mutate(ctx context.Context, a *admission.Attributes) error {
	hooks := m.source.at(a)
	if len(hooks) == 0 {
		return nil
	}
	w := mutated{m: m, a: a, draft: cel.NewDraft(a)}
	var calls []invocation
	for i := range hooks {
		calls = append(calls, w.invocations(&hooks[i])...)
	}
	if len(calls) > 0 {
		if err := w.call(ctx, calls); err != nil {
			return err
		}
	}
	return w.result()
}

// mutated is one write in the hands of the policies.
type mutated struct {
	m *Mutating
	a *admission.Attributes
	// draft is the object as the policies have made it so far.
	draft  *cel.Draft
	failed []policyFailure
}

type policyFailure struct {
	message string
	reason  metav1.StatusReason
}

// fails notes a failure of a policy that refuses what it fails for.
func (w *mutated) fails(h *hook[*mutator], b *boundHook, err error, reason metav1.StatusReason) {
	if !h.fail {
		return
	}
	message := fmt.Sprintf("policy %q denied request: %s", h.name, err)
	if b != nil {
		message = fmt.Sprintf("policy '%s' with binding '%s' denied request: %s", h.name, b.name, err)
	}
	w.failed = append(w.failed, policyFailure{message, reason})
}

// invocations are the calls that a policy's bindings ask for.
func (w *mutated) invocations(h *hook[*mutator]) (calls []invocation) {
	target, ok, err := h.matches(w.a, w.a.Object, w.m.namespaces)
	if err != nil {
		w.fails(h, nil, fmt.Errorf("failed to configure policy: %w", err), "")
		return nil
	}
	if !ok {
		return nil
	}
	var entry *registry.Entry
	if h.paramKind != nil {
		if entry, err = w.m.params.entry(h.paramKind); err != nil {
			w.fails(h, nil, fmt.Errorf("failed to configure policy: %w", err), "")
			return nil
		}
	}
	for i := range h.bindings {
		b := &h.bindings[i]
		ok, err := b.matches(w.a, w.a.Object, w.m.namespaces)
		if err == nil && !ok {
			continue
		}
		var found []*param
		if err == nil {
			found, err = w.m.params.collect(entry, b.paramRef, w.a.Namespace)
		}
		if err != nil {
			w.fails(h, b, fmt.Errorf("failed to configure binding: %w", err), "")
			continue
		}
		for _, p := range found {
			calls = append(calls, invocation{h, b, target, p})
		}
	}
	return calls
}

func (w *mutated) call(ctx context.Context, calls []invocation) error {
	namespace, err := match.NamespaceOf(w.a, w.m.namespaces)
	if err != nil {
		return err
	}
	var shown any
	if namespace != nil {
		shown = namespace.Value
	}
	memory := reinvoke.Of[callKey](w.a, w.m.Name())
	authorizer := cel.NewAuthorizer(w.m.authorizer)
	for i := range calls {
		if err := w.draft.See(calls[i].target, authorizer); err != nil {
			return err
		}
		if err := w.invoke(ctx, &calls[i], shown, memory); err != nil {
			return err
		}
	}
	if err := w.draft.Write(); err != nil {
		return err
	}
	if w.draft.Changed() {
		memory.Changed(w.a)
	}
	memory.Leaves(w.a.Object)
	return nil
}

func (w *mutated) invoke(ctx context.Context, call *invocation, namespace any, memory *reinvoke.Memory[callKey]) error {
	h := call.hook
	compiled := h.compile()
	if compiled.err != nil {
		w.fails(h, call.binding, compiled.err, metav1.StatusReasonInvalid)
		return nil
	}
	switch ok, err := compiled.conditions.Match(ctx, w.draft.Values, call.param.plain()); {
	case err != nil:
		w.fails(h, call.binding, err, metav1.StatusReasonInvalid)
		return nil
	case !ok || memory.Skips(w.a, call.key()):
		return nil
	}
	before, r := w.draft.Values.Object, request.From(ctx)
	more := request.More{Began: r.Elapsed(), Detail: "MutatingAdmissionPolicyBinding " + call.binding.name}
	defer func() { r.Step(2, h.name, &more) }()
	for i := range compiled.mutations {
		if w.draft.Values.Object == nil {
			break
		}
		scope := cel.Scope{
			Values: w.draft.Values, Params: call.param.plain(), Namespace: namespace, Authorizer: true, Compiler: compiled.compiler, Budget: cel.Budget,
		}
		began := time.Now()
		obj, err := compiled.mutations[i].run(ctx, &scope)
		observeMutation(h.name, call.binding.name, time.Since(began), err)
		var status *apierrors.StatusError
		switch {
		case err == nil:
			w.draft.Set(obj)
		case errors.As(err, &status):
			return status
		default:
			more.Error = err.Error()
			w.fails(h, call.binding, err, metav1.StatusReasonInvalid)
		}
	}
	if !equality.Semantic.DeepEqual(before, w.draft.Values.Object) {
		memory.Changed(w.a)
		if r.Detailed() {
			more.Changes = admission.ChangesFrom(before, w.draft.Values.Object)
		}
	}
	if compiled.again {
		memory.Called(call.key())
	}
	return nil
}

// result is the refusal that the failures make, nil without one.
func (w *mutated) result() error {
	if len(w.failed) == 0 {
		return nil
	}
	err := admission.Forbid(w.a, "admission request denied by policy")
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return err
	}
	status.ErrStatus.Message = w.failed[0].message
	if reason := w.failed[0].reason; reason != "" {
		status.ErrStatus.Reason = reason
	}
	for _, f := range w.failed {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{Message: f.message})
	}
	return status
}
