package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// eventRateLimit slows down who reports too many events.
type eventRateLimit struct {
	handler
	limits []*eventLimit
}

// eventLimits are the plugin's settings, as Kubernetes has them.
type eventLimits struct {
	metav1.TypeMeta `json:",inline"`
	Limits          []struct {
		Type      string `json:"type"`
		QPS       int32  `json:"qps"`
		Burst     int32  `json:"burst"`
		CacheSize int32  `json:"cacheSize,omitempty"`
	} `json:"limits"`
}

// defaultBuckets is how many keys of a limit are remembered.
const defaultBuckets = 4096

// limitKeys are what each type of limit counts by.
var limitKeys = map[string]func(*admission.Attributes) string{
	"Server":          func(*admission.Attributes) string { return "" },
	"Namespace":       func(a *admission.Attributes) string { return a.Namespace },
	"User":            userKey,
	"SourceAndObject": sourceKey,
}

func newEventRateLimit(d *deps) (admission.Plugin, error) {
	var s eventLimits
	if err := yaml.UnmarshalStrict(d.config("EventRateLimit"), &s); err != nil {
		return nil, err
	}
	if len(s.Limits) == 0 {
		return nil, errors.New("limits: Invalid value: must not be empty")
	}
	p := &eventRateLimit{handler: handler{"EventRateLimit", writes(target{resource: "events"}, target{group: "events.k8s.io", resource: "events"})}}
	for i, l := range s.Limits {
		switch {
		case limitKeys[l.Type] == nil:
			return nil, fmt.Errorf("limits[%d].type: %q is none of Server, Namespace, User and SourceAndObject", i, l.Type)
		case l.QPS <= 0 || l.Burst <= 0:
			return nil, fmt.Errorf("limits[%d]: qps and burst must be positive", i)
		case l.CacheSize < 0:
			return nil, fmt.Errorf("limits[%d].cacheSize: must not be negative", i)
		}
		size := int(l.CacheSize)
		if size == 0 {
			size = defaultBuckets
		}
		p.limits = append(p.limits, &eventLimit{
			kind: l.Type, key: limitKeys[l.Type], qps: float64(l.QPS), burst: float64(l.Burst), size: size,
			clock: d.Clock, buckets: map[string]*bucket{},
		})
	}
	return p, nil
}

// Validate asks every limit, so that each counts the event.
func (p *eventRateLimit) Validate(_ context.Context, a *admission.Attributes) error {
	var refusal error
	for _, l := range p.limits {
		if key := l.key(a); !l.take(key) {
			refusal = apierrors.NewTooManyRequestsError(fmt.Sprintf("limit reached on type %v for key %v", l.kind, key))
		}
	}
	return refusal
}

// eventLimit is one limit with a bucket of tokens per key.
type eventLimit struct {
	kind       string
	key        func(*admission.Attributes) string
	qps, burst float64
	size       int
	clock      registry.Clock

	mu      sync.Mutex // guards buckets
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token; false when there is none.
func (l *eventLimit) take(key string) bool {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		l.makeRoom()
		b = &bucket{tokens: l.burst, at: now}
		l.buckets[key] = b
	}
	b.tokens = min(l.burst, b.tokens+now.Sub(b.at).Seconds()*l.qps)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// makeRoom forgets the key that was quiet for longest.
func (l *eventLimit) makeRoom() {
	if len(l.buckets) < l.size {
		return
	}
	oldest, at := "", time.Time{}
	for key, b := range l.buckets {
		if at.IsZero() || b.at.Before(at) {
			oldest, at = key, b.at
		}
	}
	delete(l.buckets, oldest)
}

func userKey(a *admission.Attributes) string {
	if a.User == nil {
		return ""
	}
	return a.User.Name
}

func sourceKey(a *admission.Attributes) string {
	switch e := a.Object.(type) {
	case *corev1.Event:
		o := &e.InvolvedObject
		return strings.Join([]string{e.Source.Component, e.Source.Host, o.Kind, o.Namespace, o.Name, string(o.UID), o.APIVersion}, "")
	case *eventsv1.Event:
		o := &e.Regarding
		return strings.Join([]string{e.DeprecatedSource.Component, e.DeprecatedSource.Host, o.Kind, o.Namespace, o.Name, string(o.UID), o.APIVersion}, "")
	}
	return ""
}
