package controllers

import (
	"context"
	"strconv"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	"k8s.io/klog/v2"
)

// follower watches resources, also those that come later, from now on.
type follower struct {
	Deps
	// want chooses the resources.
	want  func(r *registry.Resource) bool
	event func(store *registry.Store, e *watchcache.Event)
}

func (f *follower) run(ctx context.Context) error {
	watching := map[*registry.Store]context.CancelFunc{}
	ended := make(chan struct{})
	running := 0
	defer func() {
		for range running {
			<-ended
		}
	}()
	for {
		changed := f.Registry.Changed()
		now := f.stores()
		for store, stop := range watching {
			if !now[store] {
				stop()
				delete(watching, store)
			}
		}
		for store := range now {
			if watching[store] != nil {
				continue
			}
			own, stop := context.WithCancel(ctx)
			watching[store] = stop
			running++
			go func() {
				defer func() { ended <- struct{}{} }()
				f.watch(own, store)
			}()
		}
		select {
		case <-ctx.Done():
			for _, stop := range watching {
				stop()
			}
			return ctx.Err()
		case <-ended:
			running--
		case <-changed:
		}
	}
}

func (f *follower) stores() map[*registry.Store]bool {
	out := map[*registry.Store]bool{}
	for _, group := range f.Registry.Table().Groups() {
		for _, version := range group.Versions {
			for _, e := range version.Entries {
				if e.Store != nil && e.Resource.StoredAs == nil && can(e.Resource, "watch") && f.want(e.Resource) {
					out[e.Store] = true
				}
			}
		}
	}
	return out
}

func (f *follower) watch(ctx context.Context, store *registry.Store) {
	for ctx.Err() == nil {
		err := protect(ctx, func(ctx context.Context) error {
			w, err := store.Watch(ctx, registry.WatchOptions{ResourceVersion: strconv.FormatInt(max(store.Revision(), 1), 10)})
			if err != nil {
				return err
			}
			defer w.Close()
			for {
				events, err := w.Next(ctx, 0)
				if err != nil {
					return err
				}
				for i := range events {
					f.event(store, &events[i])
				}
			}
		})
		if ctx.Err() == nil {
			klog.V(2).InfoS("A controller watches again", "resource", store.Resource().Name, "err", err)
			wait(ctx, 100*time.Millisecond)
		}
	}
}
