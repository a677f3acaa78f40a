package client

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

const (
	// eventQueue bounds the events that wait to be written; more are dropped.
	eventQueue = 1000
	// eventMemory is how many different events are remembered, so that the same
	// one again counts up instead of being written anew.
	eventMemory = 4096
	// eventTimeout ends one write.
	eventTimeout = 10 * time.Second
)

var eventsResource = corev1.SchemeGroupVersion.WithResource("events")

// Recorder writes Events about objects. Whoever records never waits: events that
// come faster than they can be written are dropped.
type Recorder struct {
	client *Client
	source corev1.EventSource
	clock  func() time.Time
	queue  chan corev1.Event

	mu   sync.Mutex
	seen map[string]*corev1.Event // by what makes two events the same
}

// NewRecorder gives a Recorder for a component, on a host if that matters. It
// writes nothing before Run.
func (c *Client) NewRecorder(component, host string, clock func() time.Time) *Recorder {
	return &Recorder{
		client: c, source: corev1.EventSource{Component: component, Host: host}, clock: clock,
		queue: make(chan corev1.Event, eventQueue), seen: map[string]*corev1.Event{},
	}
}

// Run writes until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-r.queue:
			if err := r.write(ctx, &e); err != nil && ctx.Err() == nil {
				klog.V(2).InfoS("Event is not written", "object", e.InvolvedObject.Name, "reason", e.Reason, "err", err)
			}
		}
	}
}

// Event records what happened to an object: kind is Normal or Warning.
func (r *Recorder) Event(about scheme.Object, kind, reason, format string, args ...any) {
	r.FieldEvent(about, "", kind, reason, format, args...)
}

// FieldEvent is Event about a part of the object, such as spec.containers{web}.
func (r *Recorder) FieldEvent(about scheme.Object, field, kind, reason, format string, args ...any) {
	gvk := scheme.KindOf(about)
	now := metav1.NewTime(r.clock())
	namespace := about.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	e := corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s.%x", about.GetName(), now.UnixNano()), Namespace: namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: about.GetNamespace(), Name: about.GetName(),
			UID: about.GetUID(), ResourceVersion: about.GetResourceVersion(), FieldPath: field,
		},
		Reason: reason, Message: fmt.Sprintf(format, args...), Type: kind, Source: r.source,
		ReportingController: r.source.Component, ReportingInstance: r.source.Host,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	select {
	case r.queue <- e:
	default:
	}
}

// write makes an event, or counts the same one that is there up.
func (r *Recorder) write(ctx context.Context, e *corev1.Event) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	key := fmt.Sprint(e.InvolvedObject.UID, e.InvolvedObject.Namespace, e.InvolvedObject.Name, e.InvolvedObject.FieldPath, e.Type, e.Reason, e.Message)
	r.mu.Lock()
	old := r.seen[key]
	r.mu.Unlock()
	if old != nil {
		patch, err := json.Marshal(map[string]any{"count": old.Count + 1, "lastTimestamp": e.LastTimestamp})
		if err != nil {
			return err
		}
		err = r.client.Patch(ctx, eventsResource, old.Namespace, old.Name, "", types.StrategicMergePatchType, patch, nil)
		if err == nil {
			old.Count++
			return nil
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
	}
	if err := r.client.Create(ctx, eventsResource, e.Namespace, e); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) >= eventMemory {
		clear(r.seen)
	}
	r.seen[key] = e
	return nil
}
