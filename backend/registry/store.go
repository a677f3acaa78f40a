package registry

import (
	"context"
	"errors"

	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"
)

// generatedLength is the number of letters that a generateName gets.
const generatedLength = 5

// Store is the generic verbs over one resource's storage and cache.
type Store struct {
	resource *Resource
}

var errNotYet = errors.New("registry: not there yet")

// Resource gives the resource whose objects the store keeps.
func (s *Store) Resource() *Resource { return s.resource }

// Get gives one object.
func (s *Store) Get(ctx context.Context, ns, name string, o GetOptions) (*watchcache.Object, error) {
	return nil, errNotYet
}

// List gives the objects that the options select.
func (s *Store) List(ctx context.Context, o ListOptions) (*List, error) { return nil, errNotYet }

// Create keeps a new object, given in the storage version and owned by the
// store from here on.
func (s *Store) Create(ctx context.Context, obj scheme.Object, o CreateOptions) (*Result, error) {
	return nil, errNotYet
}

// Update changes an object.
func (s *Store) Update(ctx context.Context, ns, name string, o UpdateOptions) (*Result, error) {
	return nil, errNotYet
}

// Delete deletes an object or marks it as being deleted.
func (s *Store) Delete(ctx context.Context, ns, name string, o DeleteOptions) (*Result, error) {
	return nil, errNotYet
}

// DeleteCollection deletes what the list options select and gives what it
// deleted.
func (s *Store) DeleteCollection(ctx context.Context, list ListOptions, o DeleteOptions) (*List, error) {
	return nil, errNotYet
}

// Decode gives a fresh copy of a cached object in the storage version.
func (s *Store) Decode(o *watchcache.Object) (scheme.Object, error) { return nil, errNotYet }
