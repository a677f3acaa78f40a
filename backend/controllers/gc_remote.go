package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/discovery"
	"pilothouse/backend/metrics"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
)

// remoteResource is a resource of another API server.
type remoteResource struct {
	gvr        schema.GroupVersionResource
	kind       schema.GroupKind
	namespaced bool
	// followed tells that its objects can be deleted and watched.
	followed bool
}

// remoteKinds are the resources of other API servers at one time.
type remoteKinds struct {
	byResource map[schema.GroupResource]remoteResource
	byKind     map[schema.GroupKind]remoteResource
}

// remoteInterval is how often the collector looks for other API servers' groups
// that have come or gone.
const remoteInterval = time.Second

// followRemote watches the resources of other API servers until ctx ends.
func (c *collector) followRemote(ctx context.Context) error {
	if c.Remote == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	watching := map[remoteResource]context.CancelFunc{}
	defer func() {
		for _, stop := range watching {
			stop()
		}
	}()
	var seen int64 = -1
	for ctx.Err() == nil {
		if groups, generation := c.Remote(); generation != seen {
			seen = generation
			next := remoteOf(groups, c.remote.Load())
			c.remote.Store(next)
			for r, stop := range watching {
				if next.byResource[r.gvr.GroupResource()] != r {
					stop()
					delete(watching, r)
				}
			}
			for _, r := range next.byResource {
				if watching[r] != nil || !r.followed {
					continue
				}
				own, stop := context.WithCancel(ctx)
				watching[r] = stop
				wg.Go(metrics.Kept(own, "controller", func() { c.watchRemote(own, r) }))
			}
		}
		loop.Wait(ctx, remoteInterval)
	}
	return ctx.Err()
}

// remoteOf gives the resources of groups, each in its first version. What a
// server that is away had before is kept: its objects are still there.
func remoteOf(groups []discovery.RemoteGroup, before *remoteKinds) *remoteKinds {
	out := &remoteKinds{byResource: map[schema.GroupResource]remoteResource{}, byKind: map[schema.GroupKind]remoteResource{}}
	add := func(r remoteResource) {
		if _, there := out.byResource[r.gvr.GroupResource()]; !there {
			out.byResource[r.gvr.GroupResource()] = r
			out.byKind[r.kind] = r
		}
	}
	for _, g := range groups {
		for _, v := range g.Versions {
			gv := schema.GroupVersion{Group: g.Name, Version: v.Version}
			if v.Freshness == apidiscoveryv2.DiscoveryFreshnessStale {
				for _, r := range before.byResource {
					if r.gvr.GroupVersion() == gv {
						add(r)
					}
				}
				continue
			}
			for _, r := range v.Resources {
				if r.ResponseKind == nil || notCollected[schema.GroupResource{Group: g.Name, Resource: r.Resource}] {
					continue
				}
				can := func(verb string) bool { return slices.Contains(r.Verbs, verb) }
				add(remoteResource{
					gvr: gv.WithResource(r.Resource), kind: schema.GroupKind{Group: g.Name, Kind: r.ResponseKind.Kind},
					namespaced: r.Scope == apidiscoveryv2.ScopeNamespace,
					followed:   can("delete") && can("list") && can("watch"),
				})
			}
		}
	}
	return out
}

// The forms in which objects of other servers are asked for; a server that has
// only whole objects sends those.
const (
	acceptMetadata     = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	acceptMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

// remoteRetry is how soon a list or watch that failed is tried again.
const remoteRetry = 2 * time.Second

// watchRemote follows one resource until ctx ends. What it knew of is forgotten
// then: nobody would hear of its end.
func (c *collector) watchRemote(ctx context.Context, r remoteResource) {
	known := map[item]bool{}
	for ctx.Err() == nil {
		err := loop.Protect(ctx, func(ctx context.Context) error { return c.followOnce(ctx, r, known) })
		if ctx.Err() == nil && err != nil {
			klog.V(2).InfoS("Garbage collector watches again", "resource", r.gvr, "err", err)
			loop.Wait(ctx, remoteRetry)
		}
	}
	for it := range known {
		c.setWaiting(it, false)
		c.record(it, nil)
	}
}

func (c *collector) seenRemote(it item, l *lifeline) {
	c.setWaiting(it, l.waits())
	c.seen(it, l)
}

func (c *collector) setWaiting(it item, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waits {
		c.waiting[it] = true
	} else {
		delete(c.waiting, it)
	}
}

// isWaiting tells whether an object of another server is being deleted in the
// foreground, as far as its watch has said.
func (c *collector) isWaiting(it item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting[it]
}

// followOnce takes in what there is of a resource, and what happens to it until
// the watch ends. known is kept up to date.
func (c *collector) followOnce(ctx context.Context, r remoteResource, known map[item]bool) error {
	raw, err := c.Client.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(r.gvr, "", "", ""), Accept: acceptMetadataList})
	if err != nil {
		return err
	}
	var list struct {
		Metadata metav1.ListMeta `json:"metadata"`
		Items    []remoteObject  `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("list of %s: %w", r.gvr.GroupResource(), err)
	}
	there := map[item]bool{}
	for i := range list.Items {
		it := list.Items[i].item(r)
		there[it], known[it] = true, true
		c.seenRemote(it, &list.Items[i].lifeline)
	}
	for it := range known {
		if !there[it] {
			delete(known, it)
			c.setWaiting(it, false)
			c.vanished(it)
		}
	}
	reader := c.Client.With(http.Header{"Accept": {acceptMetadata}})
	return reader.Watch(ctx, r.gvr, "", metav1.ListOptions{ResourceVersion: list.Metadata.ResourceVersion, AllowWatchBookmarks: true}, func(e client.Event) error {
		o := &remoteObject{}
		if err := json.Unmarshal(e.Object, o); err != nil {
			return fmt.Errorf("watch of %s: %w", r.gvr.GroupResource(), err)
		}
		it := o.item(r)
		switch e.Type {
		case watch.Added, watch.Modified:
			known[it] = true
			c.seenRemote(it, &o.lifeline)
		case watch.Deleted:
			delete(known, it)
			c.setWaiting(it, false)
			c.vanished(it)
		}
		return nil
	})
}

// remoteObject is what is read of an object of another server.
type remoteObject struct {
	lifeline
	namespace, name string
}

// UnmarshalJSON reads the metadata that the collector goes by.
func (o *remoteObject) UnmarshalJSON(raw []byte) error {
	if err := json.Unmarshal(raw, &o.lifeline); err != nil {
		return err
	}
	var m struct {
		Metadata struct{ Namespace, Name string }
	}
	err := json.Unmarshal(raw, &m)
	o.namespace, o.name = m.Metadata.Namespace, m.Metadata.Name
	return err
}

func (o *remoteObject) item(r remoteResource) item {
	return item{r.gvr.GroupResource(), o.namespace, o.name, o.Metadata.UID}
}

// remoteOwner follows a reference to a kind of another server.
func (c *collector) remoteOwner(gvk schema.GroupVersionKind, ref *metav1.OwnerReference, namespace string) (item, ownerState) {
	r, ok := c.remote.Load().byKind[gvk.GroupKind()]
	switch {
	case !ok:
		return item{}, ownerUnknown
	case !r.namespaced:
		namespace = ""
	case namespace == "":
		return item{}, ownerUnknown
	}
	return item{r.gvr.GroupResource(), namespace, ref.Name, ref.UID}, ownerElsewhere
}

// askOwner asks another server for an owner. One that does not answer says
// nothing about its objects.
func (c *collector) askOwner(ctx context.Context, owner item) ownerState {
	l, err := c.lookAt(ctx, owner)
	switch {
	case err != nil:
		return ownerUnknown
	case l == nil:
		return ownerAbsent
	case l.waits():
		return ownerWaits
	}
	return ownerThere
}
