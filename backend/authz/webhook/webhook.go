// Package webhook owns asking another service whether a user may do something: a
// SubjectAccessReview goes to it, its status comes back. The service is described
// by a kubeconfig file, its match conditions by CEL expressions, as for
// kube-apiserver. Read webhook.go first, then review.go.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/webhook/kubeconfig"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/klog/v2"
)

const (
	// cacheEntries bounds the answers that are kept.
	cacheEntries = 8192
	// maxKept is the longest question, in bytes of what a caller chooses, and the
	// longest answer that are kept.
	maxKept = 10000
)

// Options say whom to ask, about what, and what holds when nobody answers.
type Options struct {
	// Name tells this webhook from others in metrics and logs.
	Name string
	// File is a kubeconfig; its current context has the service's URL, path and
	// all, and the credentials for it.
	File string
	// Version of SubjectAccessReview: v1 or v1beta1.
	Version string
	// Timeout ends one try; 0 is half a minute.
	Timeout time.Duration
	// AuthorizedTTL is how long an allowed answer is kept, UnauthorizedTTL any
	// other one. 0 keeps none. Failures are never kept.
	AuthorizedTTL, UnauthorizedTTL time.Duration
	// OnError is the decision when the service or a condition fails: NoOpinion or
	// Deny.
	OnError authz.Decision
	// Conditions say which requests the service is asked about; nil is all.
	Conditions *authorizationcel.CELMatcher
	// Pause is the first wait before another try, half a second when 0.
	Pause time.Duration
}

// Authorizer asks the service. It is safe for concurrent use.
type Authorizer struct {
	o       Options
	service *kubeconfig.Client
	known   *cache.LRUExpireCache
}

// New reads the kubeconfig. An error names it.
func New(o Options) (*Authorizer, error) {
	service, err := kubeconfig.Open(kubeconfig.Options{
		File: o.File, Name: "authorization webhook", Timeout: o.Timeout, Pause: o.Pause, Observe: observe(o.Name),
	})
	if err != nil {
		return nil, err
	}
	if o.Conditions != nil {
		o.Conditions.Metrics, o.Conditions.AuthorizerType, o.Conditions.AuthorizerName = conditionMetrics{}, "Webhook", o.Name
	}
	return &Authorizer{o: o, service: service, known: cache.NewLRUExpireCache(cacheEntries)}, nil
}

// Authorize gives what it remembers, or asks.
func (a *Authorizer) Authorize(ctx context.Context, at *authz.Attributes) (authz.Decision, string, error) {
	spec := specOf(at)
	if matches, err := a.matches(ctx, spec); err != nil {
		return a.o.OnError, "", err
	} else if !matches {
		return authz.NoOpinion, "", nil
	}
	status, err := a.status(ctx, spec, at)
	if err != nil {
		a.note(ctx, err)
		return a.o.OnError, "", err
	}
	switch {
	case status.Denied && status.Allowed:
		return authz.Deny, status.Reason, errors.New("webhook subject access review returned both allow and deny response")
	case status.Denied:
		return authz.Deny, status.Reason, nil
	case status.Allowed:
		return authz.Allow, status.Reason, nil
	}
	return authz.NoOpinion, status.Reason, nil
}

// note records a failure; a caller that went away is none.
func (a *Authorizer) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	klog.ErrorS(err, "Authorization webhook failed", "name", a.o.Name)
	if a.o.OnError == authz.NoOpinion {
		failedOpen.WithLabelValues(a.o.Name, resultOf(ctx, 0, err)).Inc()
	}
}

// matches tells whether the service is to be asked.
func (a *Authorizer) matches(ctx context.Context, spec *authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	if a.o.Conditions == nil {
		return true, nil
	}
	return a.o.Conditions.Eval(ctx, &authorizationv1.SubjectAccessReview{Spec: *spec})
}

// status gives the answer to a review. The cache has hashes of questions only.
func (a *Authorizer) status(ctx context.Context, spec *authorizationv1.SubjectAccessReviewSpec, at *authz.Attributes) (*authorizationv1.SubjectAccessReviewStatus, error) {
	question, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(question)
	if known, ok := a.known.Get(key); ok {
		if status, ok := known.(*authorizationv1.SubjectAccessReviewStatus); ok {
			return status, nil
		}
	}
	status, err := a.ask(ctx, spec)
	if err != nil {
		return nil, err
	}
	ttl := a.o.UnauthorizedTTL
	if status.Allowed {
		ttl = a.o.AuthorizedTTL
	}
	if ttl > 0 && controlled(at) < maxKept && len(status.Reason)+len(status.EvaluationError) < maxKept {
		a.known.Add(key, status, ttl)
	}
	return status, nil
}

// controlled is the size of what a caller chooses: very long ones are no
// questions that come again.
func controlled(a *authz.Attributes) int {
	return len(a.Namespace) + len(a.Verb) + len(a.Group) + len(a.Version) + len(a.Resource) + len(a.Subresource) + len(a.Name) + len(a.Path)
}
