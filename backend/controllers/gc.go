package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// item names one object by where it is and by its UID.
type item struct {
	resource  schema.GroupResource
	namespace string
	name      string
	uid       types.UID
}

// collector removes objects whose owners are gone, deletes dependents before
// owners that are deleted in the foreground, and orphans dependents where that
// was asked for ("garbage collection" in the Kubernetes documentation).
//
// It keeps, for every UID that some object names as its owner, the objects that
// do. Whether an owner exists is asked of the registry's caches, which are
// complete before the first loop starts; so there are no guesses about owners
// that have not been seen yet. Objects of other API servers are watched, read
// and deleted through the API (gc_remote.go).
type collector struct {
	Deps
	q *loop.Queue[item]
	// remote are the resources of other API servers.
	remote atomic.Pointer[remoteKinds]

	mu         sync.Mutex
	dependents map[types.UID]map[item]bool      // value: blockOwnerDeletion
	waiting    map[item]bool                    // objects of other servers that are being deleted in the foreground
	owners     map[item][]metav1.OwnerReference // what dependents holds for an item, to take it out again
}

// collectors is the number of workers, Kubernetes' --concurrent-gc-syncs, and of
// dependents that are orphaned at the same time. Most of their time they wait for
// the disk, together.
const collectors = 20

func newCollector(d Deps) func(context.Context) error {
	c := &collector{Deps: d, q: loop.NewQueue[item]("garbage_collector_attempt_to_delete"), dependents: map[types.UID]map[item]bool{}, waiting: map[item]bool{}, owners: map[item][]metav1.OwnerReference{}}
	c.remote.Store(&remoteKinds{})
	here := loop.Follower{Deps: d, Initial: true, Want: collected, Event: c.event}
	return func(ctx context.Context) error {
		return loop.Together(ctx, here.Run, c.followRemote, func(ctx context.Context) error { return c.q.Work(ctx, collectors, c.process) })
	}
}

// notCollected are resources that Kubernetes' collector leaves alone.
var notCollected = map[schema.GroupResource]bool{{Resource: "events"}: true, {Group: "events.k8s.io", Resource: "events"}: true}

// collected tells whether objects of a resource can be owned and owners.
func collected(r *registry.Resource) bool {
	return can(r, "delete") && !notCollected[r.GroupResource()]
}

// lifeline is the part of an object's metadata that collection goes by.
type lifeline struct {
	Metadata struct {
		UID               types.UID               `json:"uid"`
		ResourceVersion   string                  `json:"resourceVersion"`
		OwnerReferences   []metav1.OwnerReference `json:"ownerReferences"`
		Finalizers        []string                `json:"finalizers"`
		DeletionTimestamp *metav1.Time            `json:"deletionTimestamp"`
	} `json:"metadata"`
}

var interesting = [][]byte{[]byte(`"ownerReferences"`), []byte(`"deletionTimestamp"`)}

// read gives an object's lifeline; nearly all objects have no owners and are not
// being deleted, which a look at their bytes tells.
func read(o *watchcache.Object) (*lifeline, bool) {
	l := &lifeline{}
	l.Metadata.UID = types.UID(o.UID)
	for _, word := range interesting {
		if bytes.Contains(o.Raw, word) {
			if err := json.Unmarshal(o.Raw, l); err != nil {
				return l, false
			}
			return l, true
		}
	}
	return l, false
}

func (l *lifeline) has(finalizer string) bool {
	for _, f := range l.Metadata.Finalizers {
		if f == finalizer {
			return true
		}
	}
	return false
}

// waits tells that the object is being deleted in the foreground.
func (l *lifeline) waits() bool {
	return l.Metadata.DeletionTimestamp != nil && l.has(metav1.FinalizerDeleteDependents)
}

func (l *lifeline) orphans() bool {
	return l.Metadata.DeletionTimestamp != nil && l.has(metav1.FinalizerOrphanDependents)
}

func itemOf(store *registry.Store, o *watchcache.Object) item {
	return item{store.Resource().GroupResource(), o.Namespace, o.Name, types.UID(o.UID)}
}

// event records what an object's owners are and queues what may have to be done.
func (c *collector) event(store *registry.Store, e *watchcache.Event) {
	it := itemOf(store, e.Object)
	if e.Type == watchcache.Deleted {
		c.vanished(it)
		return
	}
	l, _ := read(e.Object)
	c.seen(it, l)
}

// seen takes in that an object is there.
func (c *collector) seen(it item, l *lifeline) {
	owners := c.record(it, l.Metadata.OwnerReferences)
	if len(l.Metadata.OwnerReferences) > 0 || l.waits() || l.orphans() {
		c.q.Add(it)
	}
	c.queueWaiting(it, owners)
}

// vanished takes in that an object is gone.
func (c *collector) vanished(it item) {
	owners := c.record(it, nil)
	for _, dependent := range c.dependentsOf(it.uid) {
		c.q.Add(dependent)
	}
	c.queueWaiting(it, owners)
}

// queueWaiting queues those owners that may have waited for what just happened
// to a dependent.
func (c *collector) queueWaiting(dependent item, owners []metav1.OwnerReference) {
	for i := range owners {
		owner, state := c.owner(&owners[i], dependent.namespace)
		if state == ownerWaits || state == ownerElsewhere && c.isWaiting(owner) {
			c.q.Add(owner)
		}
	}
}

// record notes an item's owners and gives those it had and those it has.
func (c *collector) record(it item, refs []metav1.OwnerReference) []metav1.OwnerReference {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.owners[it]
	for i := range before {
		uid := before[i].UID
		delete(c.dependents[uid], it)
		if len(c.dependents[uid]) == 0 {
			delete(c.dependents, uid)
		}
	}
	delete(c.owners, it)
	if len(refs) == 0 {
		return before
	}
	c.owners[it] = refs
	for i := range refs {
		uid := refs[i].UID
		if c.dependents[uid] == nil {
			c.dependents[uid] = map[item]bool{}
		}
		c.dependents[uid][it] = blocks(&refs[i])
	}
	return append(before[:len(before):len(before)], refs...)
}

func blocks(ref *metav1.OwnerReference) bool {
	return ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
}

func (c *collector) dependentsOf(uid types.UID) []item {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]item, 0, len(c.dependents[uid]))
	for it := range c.dependents[uid] {
		out = append(out, it)
	}
	return out
}

// blockersOf gives the dependents that an owner's foreground deletion waits for.
func (c *collector) blockersOf(uid types.UID) []item {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []item
	for it, blocks := range c.dependents[uid] {
		if blocks {
			out = append(out, it)
		}
	}
	return out
}
