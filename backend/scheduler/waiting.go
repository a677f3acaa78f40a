package scheduler

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// waiting is the pods that fit nowhere at the moment.
type waiting struct {
	mu   sync.Mutex
	pods map[types.NamespacedName]string // what was said about it last
}

func newWaiting() *waiting { return &waiting{pods: map[types.NamespacedName]string{}} }

// add puts a pod in; true when the message is a new one for it.
func (w *waiting) add(key types.NamespacedName, message string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, had := w.pods[key]
	w.pods[key] = message
	return !had || old != message
}

func (w *waiting) remove(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pods, key)
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
