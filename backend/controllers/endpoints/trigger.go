package endpoints

import (
	"sync"
	"time"

	"pilothouse/backend/controllers/pods"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// triggers remember what has led to the last state of Services' endpoints, for
// the annotation endpoints.kubernetes.io/last-change-trigger-time, with which the
// way of a change through the network is measured.
type triggers struct {
	mu    sync.Mutex
	known map[types.NamespacedName]trigger
}

type trigger struct {
	service time.Time
	pods    map[string]time.Time // when they became ready or ceased to be
}

// since gives the earliest change of a Service's pods, or of itself, that was not
// seen before; zero when there is none.
func (t *triggers) since(s *corev1.Service, list []*corev1.Pod) time.Time {
	key := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
	now := trigger{service: s.CreationTimestamp.Time, pods: make(map[string]time.Time, len(list))}
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.known[key]
	var earliest time.Time
	changed := func(at, last time.Time) {
		if at.After(last) && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	for _, p := range list {
		if c := pods.Condition(p, corev1.PodReady); c != nil && !c.LastTransitionTime.IsZero() {
			now.pods[p.Name] = c.LastTransitionTime.Time
			changed(c.LastTransitionTime.Time, before.pods[p.Name])
		}
	}
	changed(now.service, before.service)
	t.known[key] = now
	if !known {
		return s.CreationTimestamp.Time
	}
	return earliest
}

func (t *triggers) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
}

// mark sets or takes away the annotation.
func mark(annotations map[string]string, at time.Time) map[string]string {
	delete(annotations, corev1.EndpointsLastChangeTriggerTime)
	if at.IsZero() {
		return annotations
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[corev1.EndpointsLastChangeTriggerTime] = at.UTC().Format(time.RFC3339Nano)
	return annotations
}
