package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Delete deletes an object at once, or marks it as being deleted while a grace
// period runs or finalizers hold it; Result.Deleted tells which. The result's
// object is the last state, or the marked one. Grace periods may be shortened
// by a second delete, never lengthened.
//
// Errors: 404, 409 for preconditions that do not hold, 422 for options that make
// no sense, whatever admission says.
func (s *Store) Delete(ctx context.Context, ns, name string, o DeleteOptions) (*Result, error) {
	s.warnOfDelete(ctx, o)
	key, err := s.key(ns, name)
	if err != nil {
		return nil, err
	}
	return s.retry(ctx, func(ctx context.Context) (*Result, error) {
		d := &deletion{Store: s, o: o, options: o.Options.DeepCopy(), ns: ns, name: name, key: key}
		return d.try(ctx)
	})
}

func (s *Store) warnOfDelete(ctx context.Context, o DeleteOptions) {
	if f := s.resource.Strategy.WarnOnDelete; f != nil {
		warn(ctx, f(&o.Options))
	}
}

// deletion is one attempt at a Delete.
type deletion struct {
	*Store
	o             DeleteOptions
	options       *metav1.DeleteOptions // a copy, which strategies may change
	ns, name, key string
}

// try is one attempt; storage.ErrConflict means to try again.
func (d *deletion) try(ctx context.Context) (*Result, error) {
	current := d.current(d.key)
	if current == nil {
		return nil, d.notFound(d.name)
	}
	obj, err := d.Decode(current)
	if err != nil {
		return nil, err
	}
	obj.SetResourceVersion(strconv.FormatInt(current.Revision, 10))
	old := obj.DeepCopyObject().(scheme.Object)
	graceful, pending, err := d.before(ctx, obj)
	if err != nil {
		return nil, err
	}
	st := &d.resource.Strategy
	first := old.GetDeletionTimestamp() == nil
	if st.Terminate != nil && !first {
		pending = st.Terminate(ctx, obj)
	}
	if pending {
		return &Result{Object: current, Hub: old}, nil
	}
	if d.o.Validate != nil {
		if err := d.o.Validate(ctx, nil, old); err != nil {
			return nil, err
		}
	}
	finalizers, changed := d.finalizers(obj)
	if changed {
		obj.SetFinalizers(finalizers)
	}
	if st.Terminate != nil && first {
		obj.SetDeletionTimestamp(new(d.now()))
		st.Terminate(ctx, obj)
		return d.mark(ctx, obj, current)
	}
	held := len(finalizers) > 0
	if !graceful && !held {
		return d.remove(ctx, old, current)
	}
	if !graceful {
		markAsDeleting(obj, d.now())
	}
	marked, err := d.mark(ctx, obj, current)
	if err != nil || held || *d.options.GracePeriodSeconds > 0 {
		return marked, err
	}
	// Graceful, and the grace is over: watchers have seen the mark, now the
	// object goes.
	if d.o.DryRun {
		marked.Deleted = true
		return marked, nil
	}
	return d.remove(ctx, marked.Hub, marked.Object)
}

// before checks a delete's options against the object and, where the strategy
// knows grace periods, sets the mark of a graceful deletion. pending tells that
// the object is being deleted already and that nothing is to be done.
func (d *deletion) before(ctx context.Context, obj scheme.Object) (graceful, pending bool, err error) {
	if errs := metavalidation.ValidateDeleteOptions(d.options); len(errs) > 0 {
		return false, false, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "DeleteOptions"}, "", errs)
	}
	if err := d.checkRecord(obj); err != nil {
		return false, false, err
	}
	if p := d.options.GracePeriodSeconds; p != nil && *p < 0 {
		d.options.GracePeriodSeconds = new(int64(1))
	}
	if p := obj.GetDeletionGracePeriodSeconds(); p != nil && *p < 0 {
		obj.SetDeletionGracePeriodSeconds(new(int64(1)))
	}
	grace := d.resource.Strategy.Grace
	switch {
	case grace == nil:
		return false, false, nil
	case obj.GetDeletionTimestamp() != nil:
		graceful, pending = d.shorten(obj)
		return graceful, pending, nil
	case !grace(ctx, obj, d.options):
		return false, false, nil
	case d.options.GracePeriodSeconds == nil:
		return false, false, apierrors.NewInternalError(fmt.Errorf("options.GracePeriodSeconds should not be nil"))
	}
	at := metav1.NewTime(d.now().Add(time.Duration(*d.options.GracePeriodSeconds) * time.Second))
	obj.SetDeletionTimestamp(&at)
	obj.SetDeletionGracePeriodSeconds(d.options.GracePeriodSeconds)
	raiseGeneration(obj)
	return true, false, nil
}

// checkRecord compares the preconditions with the object in the words that
// Kubernetes has before it begins to delete.
func (d *deletion) checkRecord(obj scheme.Object) error {
	p := d.options.Preconditions
	if p == nil {
		return nil
	}
	if d.resource.Strategy.Terminate != nil {
		return d.checkNamespaceRecord(p, obj)
	}
	kind := schema.GroupResource{Group: d.gvk.Group, Resource: d.gvk.Kind}
	if p.UID != nil && *p.UID != obj.GetUID() {
		return apierrors.NewConflict(kind, obj.GetName(), fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *p.UID, obj.GetUID()))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != obj.GetResourceVersion() {
		return apierrors.NewConflict(kind, obj.GetName(), fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified", *p.ResourceVersion, obj.GetResourceVersion()))
	}
	return nil
}

// checkNamespaceRecord is checkRecord in the words that namespaces have.
func (d *deletion) checkNamespaceRecord(p *metav1.Preconditions, obj scheme.Object) error {
	if p.UID != nil && *p.UID != obj.GetUID() {
		return d.conflict(d.name, fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", *p.UID, obj.GetUID())) //nolint:staticcheck // Kubernetes' words
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != obj.GetResourceVersion() {
		return d.conflict(d.name, fmt.Errorf("Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v", *p.ResourceVersion, obj.GetResourceVersion())) //nolint:staticcheck // Kubernetes' words
	}
	return nil
}

// shorten is a second delete of an object whose grace period runs.
func (d *deletion) shorten(obj scheme.Object) (graceful, pending bool) {
	left := obj.GetDeletionGracePeriodSeconds()
	if left == nil || *left == 0 {
		return false, false
	}
	asked := d.options.GracePeriodSeconds
	if asked == nil {
		d.options.GracePeriodSeconds = left
		return false, true
	}
	if *asked >= *left {
		return false, true
	}
	period := *asked
	at := metav1.NewTime(obj.GetDeletionTimestamp().Add(time.Duration(period-*left) * time.Second))
	if now := d.now(); at.Before(&now) {
		at = now
		if period != 0 {
			// The grace period has run out but somebody else is to remove the
			// object: the shortest that is still graceful.
			period = 1
		}
	}
	obj.SetDeletionTimestamp(&at)
	obj.SetDeletionGracePeriodSeconds(&period)
	return true, false
}

// markAsDeleting marks an object that finalizers hold. Its own grace period, if
// any, is over.
func markAsDeleting(obj scheme.Object, now metav1.Time) {
	at := obj.GetDeletionTimestamp()
	if at == nil {
		raiseGeneration(obj)
	}
	if at == nil || at.After(now.Time) {
		obj.SetDeletionTimestamp(&now)
	}
	obj.SetDeletionGracePeriodSeconds(new(int64(0)))
}

func raiseGeneration(obj scheme.Object) {
	if g := obj.GetGeneration(); g > 0 {
		obj.SetGeneration(g + 1)
	}
}

// mark writes the object with its deletion mark.
func (d *deletion) mark(ctx context.Context, obj scheme.Object, current *watchcache.Object) (*Result, error) {
	if d.o.DryRun {
		return d.pretend(d.key, obj, current.Revision)
	}
	draft, err := d.draft(d.key, obj, d.hub.Revision()+1)
	if err != nil {
		return nil, err
	}
	if sameBytes(draft.object, current) {
		return d.written(current, obj), nil
	}
	object, err := d.commit(ctx, draft, current.Revision, false)
	if err != nil {
		return nil, err
	}
	return d.written(object, obj), nil
}

// remove takes the object out of storage.
func (d *deletion) remove(ctx context.Context, obj scheme.Object, current *watchcache.Object) (*Result, error) {
	if d.o.DryRun {
		return &Result{Object: current, Hub: obj, Deleted: true}, nil
	}
	object, err := d.commitDelete(ctx, current)
	if err != nil {
		return nil, err
	}
	if after := d.resource.Strategy.AfterDelete; after != nil {
		after(ctx, obj)
	}
	obj.SetResourceVersion(strconv.FormatInt(object.Revision, 10))
	return &Result{Object: object, Hub: obj, Deleted: true}, nil
}

// commitDelete removes what is stored at the revision of current; the event
// carries current with the delete's revision.
func (s *Store) commitDelete(ctx context.Context, current *watchcache.Object) (*watchcache.Object, error) {
	o := copyObject(current)
	d := &draft{key: current.Key, object: o}
	d.hole.Offset, d.hole.Len = current.HoleOffset, current.HoleLen
	return s.commit(ctx, d, current.Revision, true)
}

// Expire removes an object that has outlived its time, if it is still at the
// revision of current: no admission, no finalizers, as when a lease of etcd ends.
// Watchers see DELETED. It tells whether the object went.
func (s *Store) Expire(ctx context.Context, current *watchcache.Object) (bool, error) {
	_, err := s.commitDelete(ctx, current)
	if errors.Is(err, storage.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
