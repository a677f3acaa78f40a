package registry

import "sync/atomic"

// Registry is the one live table: which resources are served, each with its
// Store. Routing, discovery, OpenAPI and the dashboard are views of it; CRDs
// and APIServices write to it. It is a copy-on-write snapshot, so reading takes
// no lock.
type Registry struct {
	table atomic.Pointer[Table]
}

// Table is one immutable state of a Registry.
type Table struct{}
