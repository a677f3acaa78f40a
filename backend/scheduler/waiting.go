package scheduler

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// waiting is the pods that fit nowhere at the moment.
type waiting struct {
	mu   sync.Mutex
	pods map[types.NamespacedName]string // what was said about it last
	// others are those of them that another pod's arrival may help.
	others map[types.NamespacedName]bool
}

func newWaiting() *waiting {
	return &waiting{pods: map[types.NamespacedName]string{}, others: map[types.NamespacedName]bool{}}
}

// add puts a pod in; true when the message is a new one for it. others tells
// that it has rules about other pods.
func (w *waiting) add(key types.NamespacedName, message string, others bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, had := w.pods[key]
	w.pods[key] = message
	if others {
		w.others[key] = true
	}
	return !had || old != message
}

func (w *waiting) remove(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pods, key)
	delete(w.others, key)
}

// forOthers tells whether a pod waits for another one.
func (w *waiting) forOthers() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.others) > 0
}

func (w *waiting) has(key types.NamespacedName) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.pods[key]
	return ok
}

func (w *waiting) keys() []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]types.NamespacedName, 0, len(w.pods))
	for k := range w.pods {
		out = append(out, k)
	}
	return out
}
