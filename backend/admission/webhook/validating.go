package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// Validating is the plugin ValidatingAdmissionWebhook.
type Validating struct{ plugin }

// NewValidating gives the plugin, in step with the registry's configurations.
func NewValidating(o Options) *Validating {
	return &Validating{newPlugin(o, "validatingwebhookconfigurations", decodeValidating)}
}

// Name is what the flags call the plugin.
func (*Validating) Name() string { return "ValidatingAdmissionWebhook" }

// Handles tells whether webhooks may be about a write.
func (*Validating) Handles(_ admission.Operation, e *registry.Entry, _ string) bool {
	return match.ForWebhooks(e)
}

// question is one webhook that is to be asked.
type question struct {
	hook     *hook
	target   *match.Target
	obj, old json.RawMessage
}

// Validate asks all webhooks that a write is for, at the same time.
func (v *Validating) Validate(ctx context.Context, a *admission.Attributes) error {
	found := v.source.find(a)
	if len(found) == 0 {
		return nil
	}
	questions, err := v.questions(ctx, a, found)
	if err != nil || len(questions) == 0 {
		return err
	}
	if ctx.Err() != nil {
		return errTimedOut
	}
	errs := make([]error, len(questions))
	if len(questions) == 1 {
		return v.ask(ctx, a, &questions[0], 0)
	}
	var wg sync.WaitGroup
	for i := range questions {
		wg.Go(func() {
			defer metrics.Caught("admission webhook") // ask has its own
			errs[i] = v.ask(ctx, a, &questions[i], i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// questions are the webhooks to ask, with the objects in their versions.
func (v *Validating) questions(ctx context.Context, a *admission.Attributes, found []candidate) ([]question, error) {
	var out []question
	var seen []*question // one of each version
	var values []*cel.Values
	for i := range found {
		c := &found[i]
		target, ok, err := v.matches(c, a, a.Object)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		at := -1
		for i := range values {
			if t := values[i].Target(); t.Resource == target.Resource && t.Kind == target.Kind {
				at = i
			}
		}
		if at < 0 {
			made, err := cel.NewValues(a, a.Object, target, cel.NewAuthorizer(v.Authorizer))
			if err != nil {
				return nil, apierrors.NewInternalError(err)
			}
			at = len(values)
			values, seen = append(values, made), append(seen, nil)
		}
		if ok, err := c.wanted(ctx, a, values[at]); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		if seen[at] == nil {
			q := question{target: target}
			if q.obj, err = raw(values[at].Object); err != nil {
				return nil, err
			}
			if q.old, err = raw(values[at].Old); err != nil {
				return nil, err
			}
			seen[at] = &q
		}
		q := *seen[at]
		q.hook = c.hook
		out = append(out, q)
	}
	return out, nil
}

// ask asks one webhook and gives its refusal, or what its failure means.
func (v *Validating) ask(ctx context.Context, a *admission.Attributes, q *question, index int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "admission webhook")
			if err = nil; q.hook.ignore {
				failedOpen.WithLabelValues(q.hook.name, validating).Inc()
			} else {
				err = apierrors.NewInternalError(fmt.Errorf("ValidatingAdmissionWebhook/%v has panicked: %v", q.hook.name, p))
			}
		}
	}()
	r := request.From(ctx)
	more := request.More{Began: r.Elapsed()}
	began := time.Now()
	_, err = v.send(ctx, q.hook, a, q.target, false, q.obj, q.old)
	observe(q.hook, validating, a.Operation, began, err)
	if err != nil {
		more.Error = err.Error()
	}
	r.Step(2, q.hook.name, &more)
	var failed *callError
	if !errors.As(err, &failed) {
		return said(err)
	}
	if !q.hook.ignore {
		klog.V(2).InfoS("Failed calling webhook, failing closed", "webhook", q.hook.name, "err", err)
		return apierrors.NewInternalError(err)
	}
	if !errors.Is(err, context.Canceled) {
		failedOpen.WithLabelValues(q.hook.name, validating).Inc()
		klog.V(2).InfoS("Failed calling webhook, failing open", "webhook", q.hook.name, "err", err)
		request.From(ctx).Annotate(fmt.Sprintf("failed-open.validating.webhook.admission.k8s.io/round_0_index_%d", index), q.hook.name)
	}
	return nil
}
