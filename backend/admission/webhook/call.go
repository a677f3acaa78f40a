package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	calls "pilothouse/backend/webhook"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// Options are what the plugins work with.
type Options struct {
	Registry   *registry.Registry
	Authorizer authz.Authorizer
	Clients    *calls.Clients
	// Credentials are what webhooks are shown; nil for nothing.
	Credentials *calls.Credentials
}

// plugin is what both plugins have.
type plugin struct {
	Options
	source     *source
	namespaces *match.Namespaces
}

func newPlugin(o Options, resource string, decode func(raw []byte) (string, []*hook, error)) plugin {
	own := func(raw []byte) (string, []*hook, error) {
		name, hooks, err := decode(raw)
		for _, h := range hooks {
			h.target.Credentials = o.Credentials
		}
		return name, hooks, err
	}
	return plugin{Options: o, source: follow(o.Registry, resource, own), namespaces: match.NewNamespaces(o.Registry)}
}

// callError is a webhook that could not be called or did not answer properly:
// what the failure policy is about.
type callError struct {
	hook   string
	reason error
	// bad tells that the webhook was never asked, as what it wants is wrong.
	bad bool
}

func (e *callError) Error() string {
	return fmt.Sprintf("failed calling webhook %q: %v", e.hook, e.reason)
}

func (e *callError) Unwrap() error { return e.reason }

// matches tells whether a webhook is about a write whose object is obj at this
// moment, its match conditions aside.
func (p *plugin) matches(c *candidate, a *admission.Attributes, obj runtime.Object) (*match.Target, bool, error) {
	target, ok := c.matched.Pick(a.Name)
	if !ok {
		return nil, false, nil
	}
	ok, err := c.selectors.Match(a, obj, p.namespaces)
	return target, ok, err
}

// wanted tells whether a webhook's match conditions hold.
func (c *candidate) wanted(ctx context.Context, a *admission.Attributes, v *cel.Values) (bool, error) {
	ok, err := c.conditions().Match(ctx, v, nil)
	if err != nil {
		return false, apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, err)
	}
	return ok, nil
}

// send asks a webhook. obj and old are the objects' JSON in the target's version.
func (p *plugin) send(ctx context.Context, h *hook, a *admission.Attributes, t *match.Target, mutating bool, obj, old json.RawMessage) (*answer, error) {
	if a.DryRun {
		if h.noSideEffects {
			return nil, &callError{hook: h.name, reason: errors.New("Webhook SideEffects is nil"), bad: true}
		}
		if !h.dryRun {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("admission webhook %q does not support dry run", h.name))
		}
	}
	version := reviewVersion(h.versions)
	if version == "" {
		return nil, &callError{hook: h.name, reason: errNoVersion, bad: true}
	}
	uid := uuid.NewUUID()
	body, err := newReview(version, uid, a, t, obj, old)
	if err != nil {
		return nil, &callError{hook: h.name, reason: fmt.Errorf("could not create admission objects: %w", err), bad: true}
	}
	reply, err := p.Clients.Post(ctx, &h.target, timeout(ctx, h.timeout), body)
	if err != nil {
		return nil, &callError{hook: h.name, reason: fmt.Errorf("failed to call webhook: %w", inKubernetesWords(err))}
	}
	out, err := readAnswer(version, uid, mutating, reply)
	var garbage unreadable
	switch {
	case errors.As(err, &garbage):
		return nil, &callError{hook: h.name, reason: fmt.Errorf("failed to call webhook: %w", garbage.error)}
	case err != nil:
		return nil, &callError{hook: h.name, reason: fmt.Errorf("received invalid webhook response: %w", err)}
	}
	out.note(ctx, h)
	if !out.allowed {
		return nil, refusal(h.name, out.result)
	}
	return out, nil
}

// timeout is what a webhook is told that it has: its own timeout, or what is left
// of the request's, in whole seconds.
func timeout(ctx context.Context, own time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return own
	}
	left := time.Until(deadline)
	if own > 0 && own < left || left <= 0 {
		return own
	}
	if whole := left.Truncate(time.Second); whole != left {
		left = whole + time.Second
	}
	return left
}

// maxWarnings bounds the warnings of one webhook.
const maxWarnings = 64

// note passes on the webhook's audit annotations and warnings.
func (a *answer) note(ctx context.Context, h *hook) {
	r := request.From(ctx)
	for k, v := range a.annotations {
		r.Annotate(h.name+"/"+k, v)
	}
	for i, w := range a.warnings {
		if i == maxWarnings {
			break
		}
		r.Warn(w)
	}
}

// refusal is the error of a webhook that said no.
func refusal(name string, result *metav1.Status) error {
	if result == nil {
		result = &metav1.Status{}
	}
	if result.Code < http.StatusBadRequest || result.Code > 599 {
		result.Code = http.StatusBadRequest
	}
	if result.Status == "" || result.Status == metav1.StatusSuccess {
		result.Status = metav1.StatusFailure
	}
	deniedBy := fmt.Sprintf("admission webhook %q denied the request", name)
	switch {
	case result.Message != "":
		result.Message = deniedBy + ": " + result.Message
	case result.Reason != "":
		result.Message = deniedBy + ": " + string(result.Reason)
	default:
		result.Message = deniedBy + " without explanation"
	}
	return &rejection{&apierrors.StatusError{ErrStatus: *result}}
}

// maxBodyInMessage bounds what is told of an unexpected answer, in bytes.
const maxBodyInMessage = 2048

// inKubernetesWords says what client-go says about an answer that is no success.
func inKubernetesWords(err error) error {
	var bad *calls.StatusError
	if !errors.As(err, &bad) {
		return err
	}
	var status metav1.Status
	if json.Unmarshal(bad.Body, &status) == nil && status.Kind == "Status" && status.Status == metav1.StatusFailure {
		return &apierrors.StatusError{ErrStatus: status}
	}
	body := bad.Body
	if len(body) > maxBodyInMessage {
		body = body[:maxBodyInMessage]
	}
	message := "unknown"
	if isText(bad.ContentType) {
		message = strings.TrimSpace(string(body))
	}
	return apierrors.NewGenericServerResponse(bad.Code, http.MethodPost, schema.GroupResource{}, "", message, 0, true)
}

func isText(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && strings.HasPrefix(media, "text/")
}

// raw is an object's JSON, nil for none.
func raw(obj runtime.Object) (json.RawMessage, error) {
	if obj == nil {
		return nil, nil
	}
	b, err := json.Marshal(obj)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return b, nil
}

var errTimedOut = apierrors.NewTimeoutError("request did not complete within requested timeout", 0)
