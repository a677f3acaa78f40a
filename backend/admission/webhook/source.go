// Package webhook owns admission webhooks: Mutating- and
// ValidatingWebhookConfigurations, kept in step with the registry and found by
// what a write is about; the AdmissionReview that a webhook is sent and what it
// may answer. How its server is reached is in backend/webhook. Read source.go
// first, then call.go, validating.go and mutating.go.
package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"
	calls "pilothouse/backend/webhook"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/klog/v2"
)

// hook is one webhook of a configuration.
type hook struct {
	configuration, name string
	// uid tells webhooks of the same name in a configuration apart.
	uid        string
	rules      match.Rules
	selectors  match.Selectors
	conditions func() *cel.Conditions
	target     calls.Target
	// ignore tells that a webhook that cannot be called does not matter.
	ignore bool
	// dryRun tells that it may be called for dry runs; noSideEffects that it does
	// not say whether.
	dryRun, noSideEffects bool
	timeout               time.Duration
	versions              []string
	// again tells a mutating webhook that wants to see what is changed after it.
	again bool
}

// source keeps webhooks, found by what a write is about.
type source struct {
	registry *registry.Registry
	decode   func(raw []byte) (string, []*hook, error)

	mu             sync.Mutex // guards configurations
	configurations map[string][]*hook
	current        atomic.Pointer[state]
}

// state is an index of one state of the configurations, for one table of
// resources.
type state struct {
	table *registry.Table
	hooks []*hook
	// at are []candidate by place.
	at sync.Map
}

type place struct {
	operation   admission.Operation
	version     *registry.Version
	subresource string
}

// candidate is a webhook that may matter at a place.
type candidate struct {
	*hook
	matched match.Matched
	// index is the webhook's position among all.
	index int
}

func follow(r *registry.Registry, resource string, decode func(raw []byte) (string, []*hook, error)) *source {
	s := &source{registry: r, decode: decode, configurations: map[string][]*hook{}}
	if store := r.Store(admissionregistrationv1.GroupName, resource); store != nil {
		store.Observe(s.changed)
	}
	return s
}

func (s *source) changed(current, previous *watchcache.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.current.Store(nil)
	if current == nil {
		delete(s.configurations, previous.Name)
		return
	}
	name, hooks, err := s.decode(current.Raw)
	if err != nil {
		klog.ErrorS(err, "Webhook configuration cannot be read", "configuration", current.Name)
		delete(s.configurations, current.Name)
		return
	}
	s.configurations[name] = hooks
}

// find gives the webhooks that may matter for a write, in the order of their
// configurations' names and then as they stand there.
func (s *source) find(a *admission.Attributes) []candidate {
	st := s.current.Load()
	if st == nil || st.table != s.registry.Table() {
		st = s.rebuild()
	}
	if len(st.hooks) == 0 {
		return nil
	}
	k := place{a.Operation, a.Entry.Version, a.Subresource}
	if found, ok := st.at.Load(k); ok {
		return found.([]candidate)
	}
	var found []candidate
	for i, h := range st.hooks {
		if m, ok := h.rules.For(st.table, match.PlaceOf(a)); ok {
			found = append(found, candidate{h, m, i})
		}
	}
	st.at.Store(k, found)
	return found
}

func (s *source) rebuild() *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &state{table: s.registry.Table()}
	names := make([]string, 0, len(s.configurations))
	for name := range s.configurations {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		st.hooks = append(st.hooks, s.configurations[name]...)
	}
	s.current.Store(st)
	return st
}

func decodeValidating(raw []byte) (string, []*hook, error) {
	var c admissionregistrationv1.ValidatingWebhookConfiguration
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", nil, err
	}
	uids := uidsOf{}
	var hooks []*hook
	for i := range c.Webhooks {
		hooks = append(hooks, newHook(validating, c.Name, uids.next(c.Name, c.Webhooks[i].Name), &c.Webhooks[i]))
	}
	return c.Name, hooks, nil
}

func decodeMutating(raw []byte) (string, []*hook, error) {
	var c admissionregistrationv1.MutatingWebhookConfiguration
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", nil, err
	}
	uids := uidsOf{}
	var hooks []*hook
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		h := newHook(admit, c.Name, uids.next(c.Name, w.Name), &admissionregistrationv1.ValidatingWebhook{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
			NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects,
			TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
		})
		h.again = w.ReinvocationPolicy != nil && *w.ReinvocationPolicy == admissionregistrationv1.IfNeededReinvocationPolicy
		hooks = append(hooks, h)
	}
	return c.Name, hooks, nil
}

// uidsOf counts the webhooks of a name.
type uidsOf map[string]int

func (u uidsOf) next(configuration, name string) string {
	uid := fmt.Sprintf("%s/%s/%d", configuration, name, u[name])
	u[name]++
	return uid
}

// newHook reads a webhook; mutating ones have the same fields and one more.
func newHook(step, configuration, uid string, w *admissionregistrationv1.ValidatingWebhook) *hook {
	h := &hook{
		configuration: configuration, name: w.Name, uid: uid,
		rules:     match.OfWebhook(w.Rules, w.MatchPolicy),
		selectors: match.NewSelectors(w.NamespaceSelector, w.ObjectSelector),
		target:    targetOf(&w.ClientConfig),
		ignore:    w.FailurePolicy != nil && *w.FailurePolicy == admissionregistrationv1.Ignore,
		versions:  w.AdmissionReviewVersions,
	}
	if h.noSideEffects = w.SideEffects == nil; !h.noSideEffects {
		h.dryRun = *w.SideEffects == admissionregistrationv1.SideEffectClassNone || *w.SideEffects == admissionregistrationv1.SideEffectClassNoneOnDryRun
	}
	if w.TimeoutSeconds != nil {
		h.timeout = time.Duration(*w.TimeoutSeconds) * time.Second
	}
	conditions, policy := w.MatchConditions, w.FailurePolicy
	h.conditions = sync.OnceValue(func() *cel.Conditions {
		return cel.NewConditions(cel.Owner{Kind: "webhook", Type: step, Name: h.name}, cel.Plain(), conditions, cel.Declared{Authorizer: true}, policy)
	})
	return h
}

func targetOf(c *admissionregistrationv1.WebhookClientConfig) calls.Target {
	t := calls.Target{CABundle: c.CABundle}
	if c.URL != nil {
		t.URL = *c.URL
	}
	if s := c.Service; s != nil {
		t.Service = &calls.Service{Namespace: s.Namespace, Name: s.Name, Port: 443}
		if s.Port != nil {
			t.Service.Port = *s.Port
		}
		if s.Path != nil {
			t.Service.Path = *s.Path
		}
	}
	return t
}
