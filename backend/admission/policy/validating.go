package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Validating is the plugin ValidatingAdmissionPolicy.
type Validating struct {
	source     *source[*validator]
	params     *params
	namespaces *match.Namespaces
	authorizer authz.Authorizer
}

// NewValidating gives the plugin, in step with the registry's policies.
func NewValidating(r *registry.Registry, a authz.Authorizer) *Validating {
	return &Validating{
		source:     follow(r, "validatingadmissionpolicies", "validatingadmissionpolicybindings", decodeValidating),
		params:     newParams(r),
		namespaces: match.NewNamespaces(r),
		authorizer: a,
	}
}

// Name is what the flags call the plugin.
func (*Validating) Name() string { return "ValidatingAdmissionPolicy" }

// Handles tells whether policies may be about a write.
func (*Validating) Handles(_ admission.Operation, e *registry.Entry, _ string) bool {
	return match.ForPolicies(e)
}

// Validate refuses a write that a policy is against.
func (v *Validating) Validate(ctx context.Context, a *admission.Attributes) error {
	hooks := v.source.at(a)
	if len(hooks) == 0 {
		return nil
	}
	j := judgement{v: v, a: a, authorizer: cel.NewAuthorizer(v.authorizer)}
	for i := range hooks {
		if err := j.policy(ctx, &hooks[i]); err != nil {
			return err
		}
	}
	return j.result()
}

// judgement is one write before the policies.
type judgement struct {
	v          *Validating
	a          *admission.Attributes
	authorizer *cel.Authorizer
	values     []*cel.Values // by version
	denied     []denial
}

// denial is one reason for a refusal.
type denial struct {
	policy, binding string
	decision
}

// misconfigured notes that a policy or binding could not be used.
func (j *judgement) misconfigured(h *hook[*validator], b *boundHook, err error) {
	if !h.fail {
		return
	}
	d := denial{policy: h.name, decision: decision{message: "failed to configure policy: " + err.Error()}}
	if b != nil {
		d.binding, d.message = b.name, "failed to configure binding: "+err.Error()
	}
	j.denied = append(j.denied, d)
}

func (j *judgement) policy(ctx context.Context, h *hook[*validator]) error {
	target, ok, err := h.matches(j.a, j.a.Object, j.v.namespaces)
	switch {
	case err != nil:
		j.misconfigured(h, nil, err)
		return nil
	case !ok:
		return nil
	}
	var entry *registry.Entry
	if h.paramKind != nil {
		if entry, err = j.v.params.entry(h.paramKind); err != nil {
			j.misconfigured(h, nil, err)
			return nil
		}
	}
	var annotations annotations
	for i := range h.bindings {
		if err := j.binding(ctx, h, &h.bindings[i], target, entry, &annotations); err != nil {
			return err
		}
	}
	annotations.publish(ctx, h.name)
	return nil
}

func (j *judgement) binding(ctx context.Context, h *hook[*validator], b *boundHook, target *match.Target, entry *registry.Entry, annotations *annotations) error {
	switch ok, err := b.matches(j.a, j.a.Object, j.v.namespaces); {
	case err != nil:
		j.misconfigured(h, b, err)
		return nil
	case !ok:
		return nil
	}
	params, err := j.v.params.collect(entry, b.paramRef, j.a.Namespace)
	if err != nil {
		j.misconfigured(h, b, err)
		return nil
	}
	if len(params) == 0 {
		return nil
	}
	values, err := j.valuesIn(target)
	if err != nil {
		j.misconfigured(h, b, fmt.Errorf("failed to convert object version: %w", err))
		return nil
	}
	namespace, err := match.NamespaceOf(j.a, j.v.namespaces)
	if err != nil {
		return err
	}
	var shown any
	if namespace != nil {
		shown = namespace.Value
	}
	r := request.From(ctx)
	more := request.More{Began: r.Elapsed(), Detail: "ValidatingAdmissionPolicyBinding " + b.name}
	refused := len(j.denied)
	defer func() {
		if len(j.denied) > refused {
			more.Error = j.denied[refused].message
		}
		r.Step(2, h.name, &more)
	}()
	for _, p := range params {
		out := h.compile().validate(ctx, values, p.plain(), shown, h.fail)
		for _, d := range out.decisions {
			j.act(ctx, h, b, d)
		}
		for i := range out.ignored {
			observeValidation(h.name, b.name, &out.ignored[i], allowed)
		}
		for _, text := range out.failed {
			j.denied = append(j.denied, denial{h.name, b.name, decision{message: text}})
		}
		for _, one := range out.annotations {
			annotations.add(one)
		}
	}
	return nil
}

// act does what the binding wants to happen when a validation is not met.
func (j *judgement) act(ctx context.Context, h *hook[*validator], b *boundHook, d decision) {
	for _, action := range b.actions {
		observeValidation(h.name, b.name, &d, actions[action])
		switch action {
		case admissionregistrationv1.Deny:
			j.denied = append(j.denied, denial{h.name, b.name, d})
		case admissionregistrationv1.Warn:
			request.From(ctx).Warn(fmt.Sprintf("Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s", h.name, b.name, d.message))
		case admissionregistrationv1.Audit:
			noteFailure(ctx, h, b, d)
		}
	}
}

// valuesIn gives the values that expressions see in a version.
func (j *judgement) valuesIn(t *match.Target) (*cel.Values, error) {
	for _, v := range j.values {
		if v.Target().Resource == t.Resource && v.Target().Kind == t.Kind {
			return v, nil
		}
	}
	v, err := cel.NewValues(j.a, j.a.Object, t, j.authorizer)
	if err != nil {
		return nil, err
	}
	j.values = append(j.values, v)
	return v, nil
}

// result is the refusal that the first denial makes, nil without one.
func (j *judgement) result() error {
	if len(j.denied) == 0 {
		return nil
	}
	d := &j.denied[0]
	message := fmt.Sprintf("ValidatingAdmissionPolicy '%s' denied request: %s", d.policy, d.message)
	if d.binding != "" {
		message = fmt.Sprintf("ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s", d.policy, d.binding, d.message)
	}
	reason := d.reason
	if reason == "" {
		reason = metav1.StatusReasonInvalid
	}
	err := admission.Forbid(j.a, message)
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return err
	}
	status.ErrStatus.Reason, status.ErrStatus.Code = reason, codeOf(reason)
	status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{Message: message})
	return status
}

func codeOf(r metav1.StatusReason) int32 {
	switch r {
	case metav1.StatusReasonForbidden:
		return http.StatusForbidden
	case metav1.StatusReasonUnauthorized:
		return http.StatusUnauthorized
	case metav1.StatusReasonRequestEntityTooLarge:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusUnprocessableEntity
}

// noteFailure writes into the audit event what a validation says.
func noteFailure(ctx context.Context, h *hook[*validator], b *boundHook, d decision) {
	value, err := json.Marshal([]struct {
		Message           string                                     `json:"message"`
		Policy            string                                     `json:"policy"`
		Binding           string                                     `json:"binding"`
		ExpressionIndex   int                                        `json:"expressionIndex"`
		ValidationActions []admissionregistrationv1.ValidationAction `json:"validationActions"`
	}{{d.message, h.name, b.name, d.index, b.actions}})
	if err == nil {
		request.From(ctx).Annotate("validation.policy.admission.k8s.io/validation_failure", string(value))
	}
}

// annotations are audit annotations of one policy; bindings with other parameters
// may give a key several values.
type annotations struct{ list []annotation }

// maxAnnotation is where a value is cut off, in bytes.
const maxAnnotation = 10 << 10

func (l *annotations) add(a annotation) {
	if len(a.value) > maxAnnotation {
		a.value = a.value[:maxAnnotation]
	}
	if !slices.Contains(l.list, a) {
		l.list = append(l.list, a)
	}
}

func (l *annotations) publish(ctx context.Context, policy string) {
	values := map[string][]string{}
	for _, a := range l.list {
		values[a.key] = append(values[a.key], a.value)
	}
	for key, list := range values {
		request.From(ctx).Annotate(policy+"/"+key, strings.Join(list, ", "))
	}
}
