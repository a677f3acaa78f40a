package webhook

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
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
)

// Mutating is the plugin MutatingAdmissionWebhook.
type Mutating struct{ plugin }

// NewMutating gives the plugin, in step with the registry's configurations.
func NewMutating(o Options) *Mutating {
	return &Mutating{newPlugin(o, "mutatingwebhookconfigurations", decodeMutating)}
}

// Name is what the flags call the plugin.
func (*Mutating) Name() string { return "MutatingAdmissionWebhook" }

// Handles tells whether webhooks may be about a write.
func (*Mutating) Handles(_ admission.Operation, e *registry.Entry, _ string) bool {
	return match.ForWebhooks(e)
}

// Mutate lets the webhooks that a write is for change it, one after the other.
func (m *Mutating) Mutate(ctx context.Context, a *admission.Attributes) error {
	found := m.source.find(a)
	if len(found) == 0 {
		return nil
	}
	r := round{m: m, a: a, draft: cel.NewDraft(a), authorizer: cel.NewAuthorizer(m.Authorizer), memory: reinvoke.Of[string](a, m.Name())}
	for i := range found {
		if err := r.hook(ctx, &found[i]); err != nil {
			return err
		}
	}
	if err := r.draft.Write(); err != nil {
		return err
	}
	if r.called {
		r.memory.Leaves(a.Object)
	}
	return nil
}

// round is one pass of a write through the webhooks.
type round struct {
	m          *Mutating
	a          *admission.Attributes
	draft      *cel.Draft
	authorizer *cel.Authorizer
	memory     *reinvoke.Memory[string]
	called     bool
}

func (r *round) hook(ctx context.Context, c *candidate) error {
	target, ok, err := r.m.matches(c, r.a, r.draft.Object())
	if err != nil || !ok {
		return err
	}
	if err := r.draft.See(target, r.authorizer); err != nil {
		return err
	}
	if ok, err := c.wanted(ctx, r.a, r.draft.Values); err != nil || !ok {
		return err
	}
	if r.memory.Skips(r.a, c.uid) {
		return nil
	}
	r.called = true
	q := request.From(ctx)
	more := request.More{Began: q.Elapsed(), Detail: "MutatingWebhookConfiguration " + c.configuration}
	began := time.Now()
	changed, err := r.call(ctx, c, &more)
	observe(c.hook, admit, r.a.Operation, began, err)
	if err != nil {
		more.Error = err.Error()
	}
	q.Step(2, c.name, &more)
	r.annotate(ctx, c, "mutation.webhook.admission.k8s.io/", mutationNote{c.configuration, c.name, changed})
	if changed {
		r.memory.Changed(r.a)
	}
	if c.again {
		r.memory.Called(c.uid)
	}
	var failed *callError
	if !errors.As(err, &failed) {
		return said(err)
	}
	if !c.ignore {
		klog.V(2).InfoS("Failed calling webhook, failing closed", "webhook", c.name, "err", err)
		return apierrors.NewInternalError(err)
	}
	if ctx.Err() != nil {
		return errTimedOut
	}
	klog.V(2).InfoS("Failed calling webhook, failing open", "webhook", c.name, "err", err)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	failedOpen.WithLabelValues(c.name, admit).Inc()
	request.From(ctx).Annotate(r.key("failed-open.mutation.webhook.admission.k8s.io/", c), c.name)
	return nil
}

// mutationNote is what the audit event says of a call.
type mutationNote struct {
	Configuration string `json:"configuration"`
	Webhook       string `json:"webhook"`
	Mutated       bool   `json:"mutated"`
}

// patchNote is what the audit event says of a patch, at the levels with bodies.
type patchNote struct {
	Configuration string          `json:"configuration"`
	Webhook       string          `json:"webhook"`
	Patch         jsonpatch.Patch `json:"patch,omitempty"`
	PatchType     string          `json:"patchType,omitempty"`
}

func (r *round) annotate(ctx context.Context, c *candidate, prefix string, value any) {
	if b, err := json.Marshal(value); err == nil {
		request.From(ctx).Annotate(r.key(prefix, c), string(b))
	}
}

func (r *round) key(prefix string, c *candidate) string {
	number := 0
	if r.a.Reinvocation {
		number = 1
	}
	return fmt.Sprintf("%sround_%d_index_%d", prefix, number, c.index)
}

// call asks one webhook and changes the draft as it says.
func (r *round) call(ctx context.Context, c *candidate, more *request.More) (changed bool, err error) {
	h := c.hook
	values := r.draft.Values
	obj, err := raw(values.Object)
	if err != nil {
		return false, err
	}
	old, err := raw(values.Old)
	if err != nil {
		return false, err
	}
	out, err := r.m.send(ctx, h, r.a, values.Target(), true, obj, old)
	if err != nil || len(out.patch) == 0 {
		return false, err
	}
	patch, err := jsonpatch.DecodePatch(out.patch)
	switch {
	case err != nil:
		return false, &callError{hook: h.name, reason: fmt.Errorf("received undecodable patch in webhook response: %w", err)}
	case len(patch) == 0:
		return false, nil
	case len(patch) > scheme.MaxPatchOperations:
		return false, &callError{hook: h.name, reason: fmt.Errorf("received a patch of %d operations in webhook response, more than %d", len(patch), scheme.MaxPatchOperations)}
	case values.Object == nil:
		return false, apierrors.NewInternalError(fmt.Errorf("admission webhook %q attempted to modify the object, which is not supported for this operation", h.name))
	case out.patchType != admissionv1.PatchTypeJSONPatch:
		return false, &callError{hook: h.name, reason: fmt.Errorf("unsupported patch type %q", out.patchType)}
	}
	next, err := patched(patch, obj, values)
	if err != nil {
		return false, apierrors.NewInternalError(err)
	}
	changed = !equality.Semantic.DeepEqual(values.Object, next)
	request.From(ctx).AnnotateBody(r.key("patch.webhook.admission.k8s.io/", c), func() string {
		b, err := json.Marshal(patchNote{c.configuration, c.name, patch, string(out.patchType)})
		if err != nil {
			return ""
		}
		return string(b)
	})
	if err := values.Target().Default(next); err != nil {
		return false, apierrors.NewInternalError(err)
	}
	r.draft.Set(next)
	if changed {
		more.Changes, _ = admission.ChangesBetween(obj, next)
	}
	return changed, nil
}

// patched gives the object that a patch of its JSON makes.
func patched(patch jsonpatch.Patch, obj []byte, v *cel.Values) (runtime.Object, error) {
	after, err := scheme.ApplyPatch(patch, obj)
	if err != nil {
		return nil, err
	}
	next := v.Target().New(v.Object)
	if _, err := scheme.Decode(after, scheme.MediaJSON, next, v.Target().Kind, scheme.Ignore); err != nil {
		return nil, err
	}
	return next, nil
}
