package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/registry"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// ownerState is what an owner reference leads to.
type ownerState int

const (
	// ownerUnknown: its kind is not served (yet), or a cluster-scoped object
	// names a namespaced owner. Nothing is removed because of it.
	ownerUnknown ownerState = iota
	ownerAbsent
	ownerThere
	// ownerWaits: it is being deleted in the foreground.
	ownerWaits
	// ownerElsewhere: another API server knows.
	ownerElsewhere
)

// unknownRetry is how often an object with an owner of unknown kind is looked at
// again.
const unknownRetry = 30 * time.Second

// owner follows a reference of an object in a namespace, as far as this server
// knows.
func (c *collector) owner(ref *metav1.OwnerReference, namespace string) (item, ownerState) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return item{}, ownerUnknown
	}
	e, ok := c.Registry.Table().ForKind(gv.WithKind(ref.Kind))
	if !ok || e.Store == nil {
		return c.remoteOwner(gv.WithKind(ref.Kind), ref, namespace)
	}
	if !e.Resource.Namespaced {
		namespace = ""
	} else if namespace == "" {
		return item{}, ownerUnknown
	}
	it := item{e.Store.Resource().GroupResource(), namespace, ref.Name, ref.UID}
	o, err := e.Store.Get(context.Background(), namespace, ref.Name, registry.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return it, ownerAbsent
	case err != nil:
		return it, ownerUnknown
	case types.UID(o.UID) != ref.UID:
		return it, ownerAbsent
	}
	if l, more := read(o); more && l.waits() {
		return it, ownerWaits
	}
	return it, ownerThere
}

// lookAt gives the newest state of an object, nil when it is gone, another one,
// or of a resource that is not served.
func (c *collector) lookAt(ctx context.Context, it item) (*lifeline, error) {
	l := &lifeline{}
	if store := c.Registry.Store(it.resource.Group, it.resource.Resource); store != nil {
		o, err := store.Get(ctx, it.namespace, it.name, registry.GetOptions{})
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		if err := json.Unmarshal(o.Raw, l); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", it.resource, it.name, err)
		}
	} else {
		gvr, ok := c.gvr(it)
		if !ok {
			return nil, nil
		}
		raw, err := c.Client.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(gvr, it.namespace, it.name, ""), Accept: acceptMetadata})
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		if err := json.Unmarshal(raw, l); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", it.resource, it.name, err)
		}
	}
	if l.Metadata.UID != it.uid {
		return nil, nil
	}
	return l, nil
}

// process does what an object's state asks for.
func (c *collector) process(ctx context.Context, it item) error {
	l, err := c.lookAt(ctx, it)
	if err != nil || l == nil {
		return err
	}
	switch {
	case l.orphans():
		return c.orphan(ctx, it)
	case l.waits():
		return c.foreground(ctx, it)
	case l.Metadata.DeletionTimestamp != nil, len(l.Metadata.OwnerReferences) == 0:
		return nil
	}
	return c.judge(ctx, it, l)
}

// judge decides over an object by its owners: with one that is there it only
// loses the references to others; without any it goes, in the foreground when an
// owner waits for it and it has dependents of its own.
func (c *collector) judge(ctx context.Context, it item, l *lifeline) error {
	var there, gone int
	var waiting bool
	keep := l.Metadata.OwnerReferences[:0:0]
	for _, ref := range l.Metadata.OwnerReferences {
		owner, state := c.owner(&ref, it.namespace)
		if state == ownerElsewhere {
			state = c.askOwner(ctx, owner)
		}
		switch state {
		case ownerUnknown:
			c.q.AddAfter(it, unknownRetry)
			return nil
		case ownerThere:
			there++
			keep = append(keep, ref)
		case ownerWaits:
			waiting = true
			gone++
		case ownerAbsent:
			gone++
		}
	}
	switch {
	case gone == 0:
		return nil
	case there > 0:
		return c.setOwners(ctx, it, l, keep)
	case waiting && len(c.dependentsOf(it.uid)) > 0:
		return c.deleteItem(ctx, it, l, metav1.DeletePropagationForeground)
	case l.has(metav1.FinalizerOrphanDependents):
		return c.deleteItem(ctx, it, l, metav1.DeletePropagationOrphan)
	case l.has(metav1.FinalizerDeleteDependents):
		return c.deleteItem(ctx, it, l, metav1.DeletePropagationForeground)
	}
	return c.deleteItem(ctx, it, l, metav1.DeletePropagationBackground)
}

// foreground goes on with a deletion in the foreground: dependents first; when
// none blocks any more, the owner's finalizer is taken away.
func (c *collector) foreground(ctx context.Context, it item) error {
	blockers := c.blockersOf(it.uid)
	if len(blockers) == 0 {
		return c.removeFinalizer(ctx, it, metav1.FinalizerDeleteDependents)
	}
	for _, b := range blockers {
		// Two objects that own each other would wait for ever: what is waiting
		// itself no longer blocks.
		if c.inCircle(ctx, b, it.uid) {
			if err := c.unblock(ctx, b, it.uid); err != nil {
				return err
			}
			continue
		}
		c.q.Add(b)
	}
	return nil
}

// inCircle tells that an object is being deleted in the foreground itself and
// that the one with the UID depends on it.
func (c *collector) inCircle(ctx context.Context, it item, uid types.UID) bool {
	l, err := c.lookAt(ctx, it)
	return err == nil && l != nil && l.waits() && slices.ContainsFunc(c.blockersOf(it.uid), func(b item) bool { return b.uid == uid })
}

// unblock sets blockOwnerDeletion to false in an object's reference to an owner.
func (c *collector) unblock(ctx context.Context, it item, owner types.UID) error {
	return c.change(ctx, it, func(l *lifeline) (map[string]any, bool) {
		refs := slices.Clone(l.Metadata.OwnerReferences)
		changed := false
		for i := range refs {
			if refs[i].UID == owner && blocks(&refs[i]) {
				no := false
				refs[i].BlockOwnerDeletion, changed = &no, true
			}
		}
		return map[string]any{"ownerReferences": refs}, changed
	})
}

// orphan takes the owner out of its dependents' references, then the finalizer
// off the owner.
func (c *collector) orphan(ctx context.Context, it item) error {
	err := loop.Each(ctx, collectors, c.dependentsOf(it.uid), func(ctx context.Context, d item) error {
		err := c.change(ctx, d, func(l *lifeline) (map[string]any, bool) {
			refs := slices.DeleteFunc(slices.Clone(l.Metadata.OwnerReferences), func(r metav1.OwnerReference) bool { return r.UID == it.uid })
			return map[string]any{"ownerReferences": refs}, len(refs) != len(l.Metadata.OwnerReferences)
		})
		if err != nil {
			return fmt.Errorf("orphan %s %s: %w", d.resource, d.name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.removeFinalizer(ctx, it, metav1.FinalizerOrphanDependents)
}

func (c *collector) removeFinalizer(ctx context.Context, it item, finalizer string) error {
	return c.change(ctx, it, func(l *lifeline) (map[string]any, bool) {
		kept := slices.DeleteFunc(slices.Clone(l.Metadata.Finalizers), func(f string) bool { return f == finalizer })
		return map[string]any{"finalizers": kept}, len(kept) != len(l.Metadata.Finalizers)
	})
}

func (c *collector) setOwners(ctx context.Context, it item, l *lifeline, keep []metav1.OwnerReference) error {
	return c.patch(ctx, it, l, map[string]any{"ownerReferences": keep})
}

// change patches metadata to what f makes of its newest state, again after a
// conflict. f gives false when there is nothing to change.
func (c *collector) change(ctx context.Context, it item, f func(l *lifeline) (map[string]any, bool)) error {
	for try := 0; ; try++ {
		l, err := c.lookAt(ctx, it)
		if err != nil || l == nil {
			return err
		}
		metadata, changed := f(l)
		if !changed {
			return nil
		}
		err = c.patch(ctx, it, l, metadata)
		if !apierrors.IsConflict(err) || try == 4 {
			return err
		}
	}
}

// patch changes metadata of the state that l was read from.
func (c *collector) patch(ctx context.Context, it item, l *lifeline, metadata map[string]any) error {
	metadata["uid"], metadata["resourceVersion"] = it.uid, l.Metadata.ResourceVersion
	raw, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	gvr, ok := c.gvr(it)
	if !ok {
		return nil
	}
	return ignoreNotFound(c.Client.Patch(ctx, gvr, it.namespace, it.name, "", types.MergePatchType, raw, nil))
}

func (c *collector) deleteItem(ctx context.Context, it item, l *lifeline, policy metav1.DeletionPropagation) error {
	gvr, ok := c.gvr(it)
	if !ok {
		return nil
	}
	options := &metav1.DeleteOptions{
		PropagationPolicy: &policy,
		Preconditions:     &metav1.Preconditions{UID: &it.uid, ResourceVersion: &l.Metadata.ResourceVersion},
	}
	return ignoreNotFound(c.Client.Delete(ctx, gvr, it.namespace, it.name, options))
}

// gvr is the address of an item's resource in its preferred version.
func (c *collector) gvr(it item) (schema.GroupVersionResource, bool) {
	r, ok := c.Registry.Table().Resource(it.resource.Group, it.resource.Resource)
	if !ok {
		remote := c.remote.Load().byResource[it.resource]
		return remote.gvr, remote.gvr.Resource != ""
	}
	return it.resource.WithVersion(r.Versions[0].Name), true
}
