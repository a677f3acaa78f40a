package controllers

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	"k8s.io/apimachinery/pkg/types"
)

// follower is a loop.Follower under this package's names.
type follower struct {
	Deps
	initial bool
	want    func(r *registry.Resource) bool
	event   func(store *registry.Store, e *watchcache.Event)
}

func (f *follower) run(ctx context.Context) error {
	return (&loop.Follower{Deps: f.Deps, Initial: f.initial, Want: f.want, Event: f.event}).Run(ctx)
}

// only wants one resource.
func only(group, name string) func(*registry.Resource) bool { return loop.Only(group, name) }

// nameOf says where an object is.
func nameOf(o *watchcache.Object) types.NamespacedName { return loop.NameOf(o) }
