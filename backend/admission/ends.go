package admission

import "sync"

// Ends are what plugins want to do when a write is over. Whoever asks the chain
// owns one per write and calls it.
type Ends struct {
	mu   sync.Mutex // guards list
	list []func(written bool)
}

// OnEnd has f called when the write is over, with whether the object was
// written. A write that is tried again ends unwritten before that. Without
// Ends nobody knows; f then is told that the object was written.
func (a *Attributes) OnEnd(f func(written bool)) {
	if a.Ends == nil {
		f(true)
		return
	}
	a.Ends.mu.Lock()
	defer a.Ends.mu.Unlock()
	a.Ends.list = append(a.Ends.list, f)
}

// Call tells everyone who waits for the end, once.
func (e *Ends) Call(written bool) {
	e.mu.Lock()
	list := e.list
	e.list = nil
	e.mu.Unlock()
	for _, f := range list {
		f(written)
	}
}
