// Package reinvoke owns what the mutating plugins for users' policies and
// webhooks remember of a write between the first pass through the mutators and
// the second one, in which those are called again that want to see what has been
// changed behind them.
package reinvoke

import (
	"pilothouse/backend/admission"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// Memory is what one plugin remembers of one write. K names a policy or webhook.
type Memory[K comparable] struct {
	// called are those that may be called again, due those that will be.
	called, due map[K]bool
	output      runtime.Object
}

// Of gives what a plugin remembers; nothing in a first pass. In a second pass that
// starts with another object than the plugin left behind, all are due that want to
// be called again.
func Of[K comparable](a *admission.Attributes, plugin string) *Memory[K] {
	if m, ok := a.State[plugin].(*Memory[K]); ok && a.Reinvocation {
		if !equality.Semantic.DeepEqual(m.output, a.Object) {
			m.changed()
		}
		return m
	}
	m := &Memory[K]{called: map[K]bool{}, due: map[K]bool{}}
	a.Keep(plugin, m)
	return m
}

// Skips tells whether a policy or webhook is left out: in a second pass only those
// are called that are due.
func (m *Memory[K]) Skips(a *admission.Attributes, k K) bool { return a.Reinvocation && !m.due[k] }

// Called notes that one was called that wants to see later changes.
func (m *Memory[K]) Called(k K) { m.called[k] = true }

// Changed notes that the object is no longer what those called so far have seen,
// and asks for a second pass.
func (m *Memory[K]) Changed(a *admission.Attributes) {
	m.changed()
	a.Reinvoke = true
}

func (m *Memory[K]) changed() {
	for k := range m.called {
		m.due[k] = true
	}
	clear(m.called)
}

// Leaves notes the object that the plugin leaves behind.
func (m *Memory[K]) Leaves(obj runtime.Object) {
	m.output = nil
	if obj != nil {
		m.output = obj.DeepCopyObject()
	}
}
