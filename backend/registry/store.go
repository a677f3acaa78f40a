package registry

// Store is the generic verbs over one resource's storage and cache.
type Store struct{}
