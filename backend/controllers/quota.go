package controllers

import (
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"
)

const (
	// quotaDelay gathers what happens in a namespace at about the same time.
	quotaDelay = 50 * time.Millisecond
	// quotaResync finds what no event tells: pods whose grace period is over.
	quotaResync = 5 * time.Minute
)

// newQuotas keeps status.used of ResourceQuotas right: what is deleted, what
// shrinks, pods that end, limits that change. What grows is counted by admission
// before it is written.
func newQuotas(d Deps) func(context.Context) error {
	q := loop.NewQueue[string]("resourcequota_primary")
	soon := func(ns string) { q.AddAfter(ns, quotaDelay) }
	f := &loop.Follower{Deps: d, Want: d.Quota.Counts, Event: func(store *registry.Store, e *watchcache.Event) {
		if ns := e.Object.Namespace; mayFree(store, e) && d.Quota.HasQuotas(ns) {
			soon(ns)
		}
	}}
	return func(ctx context.Context) error {
		d.Quota.OnStale(soon)
		defer d.Quota.OnStale(func(string) {})
		return loop.Together(ctx, f.Run, func(ctx context.Context) error { return recountAll(ctx, d, q) },
			func(ctx context.Context) error {
				return q.Work(ctx, 2, d.Quota.Recount)
			})
	}
}

// mayFree tells whether a change can make quotas' numbers wrong.
func mayFree(store *registry.Store, e *watchcache.Event) bool {
	if e.Type == watchcache.Deleted {
		return true
	}
	switch r := store.Resource(); {
	case r.Group == "" && r.Name == "resourcequotas":
		return true
	case e.Type == watchcache.Added:
		return false
	case r.Group == "":
		return r.Name == "pods" || r.Name == "services" || r.Name == "persistentvolumeclaims"
	default:
		return r.Group == "resource.k8s.io" && r.Name == "resourceclaims"
	}
}

// recountAll counts every namespace with a quota at the start and now and then.
func recountAll(ctx context.Context, d Deps, q *loop.Queue[string]) error {
	for ctx.Err() == nil {
		if store := d.Registry.Store("", "resourcequotas"); store != nil {
			store.Each("", func(o *watchcache.Object) bool {
				q.Add(o.Namespace)
				return true
			})
		}
		loop.Wait(ctx, quotaResync)
	}
	return ctx.Err()
}
