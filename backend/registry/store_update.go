package registry

import (
	"bytes"
	"context"
	"strconv"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Update writes what Transform makes of the current object. When another write
// comes between, it starts again with the newer object; a client that gave a
// resourceVersion then gets a 409. An update that changes nothing writes
// nothing. One that leaves an object that is being deleted without finalizers
// removes it; the result is then the object as the update left it.
//
// With AllowCreate, or a strategy that lets PUT create, a missing object is
// created; otherwise it is a 404.
func (s *Store) Update(ctx context.Context, ns, name string, o UpdateOptions) (*Result, error) {
	key, err := s.key(ns, name)
	if err != nil {
		return nil, err
	}
	u := &update{Store: s, st: o.Strategy, o: o, ns: ns, name: name, key: key}
	if u.st == nil {
		u.st = &s.resource.Strategy
	}
	return s.retry(ctx, u.try)
}

// update is one Update on its way.
type update struct {
	*Store
	st            *Strategy
	o             UpdateOptions
	ns, name, key string
}

// try is one attempt; storage.ErrConflict means to try again.
func (u *update) try(ctx context.Context) (*Result, error) {
	current := u.current(u.key)
	if current == nil {
		return u.tryCreate(ctx)
	}
	old, err := u.Decode(current)
	if err != nil {
		return nil, err
	}
	old.SetResourceVersion(strconv.FormatInt(current.Revision, 10))
	if err := u.checkPreconditions(u.o.Preconditions, u.ns, u.name, old.GetUID(), old.GetResourceVersion(), u.o.DryRun); err != nil {
		return nil, err
	}
	obj, err := u.o.Transform(ctx, old.DeepCopyObject().(scheme.Object))
	if err != nil {
		return nil, err
	}
	if err := u.checkVersion(obj, old, current.Revision); err != nil {
		return nil, err
	}
	finish, err := u.prepare(ctx, obj, old)
	defer func() { finish(false) }()
	if err != nil {
		return nil, err
	}
	d, err := u.draftUpdate(obj, old, current)
	if err != nil {
		return nil, err
	}
	if u.o.Validate != nil {
		if err := u.o.Validate(ctx, obj, old); err != nil {
			return nil, err
		}
	}
	if u.deletes(ctx, obj, old) {
		return u.remove(ctx, obj, old, current)
	}
	switch {
	case d == nil: // nothing has changed
		finish(true)
		finish = finishNothing
		return u.written(current, obj), nil
	case u.o.DryRun:
		return u.pretend(u.key, obj, current.Revision)
	}
	object, err := u.commit(ctx, d, current.Revision, false)
	if err != nil {
		return nil, err
	}
	finish(true)
	finish = finishNothing
	return u.written(object, obj), nil
}

// checkVersion compares the resourceVersion that a client gave with the current
// one.
func (u *update) checkVersion(obj, old scheme.Object, current int64) error {
	given, err := parseObjectVersion(obj.GetResourceVersion())
	switch {
	case err != nil:
		return err
	case given == 0 && (u.st.RequireResourceVersion || u.resource.Strategy.RequireResourceVersion):
		// Kubernetes names the plural here where other 422s have the kind.
		kind := schema.GroupKind{Group: u.gr.Group, Kind: u.gr.Resource}
		return apierrors.NewInvalid(kind, u.name, field.ErrorList{
			field.Invalid(metadataPath.Child("resourceVersion"), given, "must be specified for an update"),
		})
	case given == 0:
		obj.SetResourceVersion(old.GetResourceVersion())
	case given != current:
		return u.conflict(u.name, errModified)
	}
	return nil
}

// prepare checks an updated object and brings it into the form that is written.
// finish is never nil.
func (u *update) prepare(ctx context.Context, obj, old scheme.Object) (finish func(bool), err error) {
	finish = finishNothing
	if u.st.BeginUpdate != nil {
		f, err := u.st.BeginUpdate(ctx, obj, old, u.o.DryRun)
		if err != nil {
			return finish, err
		}
		if f != nil {
			finish = f
		}
	}
	if err := u.ensureNamespace(obj, u.ns); err != nil {
		return finish, err
	}
	obj.SetGeneration(old.GetGeneration())
	if u.st.PrepareForUpdate != nil {
		u.st.PrepareForUpdate(ctx, obj, old)
	}
	restoreMeta(obj, old)
	errs := u.validateUpdatedMeta(obj, old, u.st)
	if u.st.ValidateUpdate != nil {
		errs = append(errs, u.st.ValidateUpdate(ctx, obj, old)...)
	}
	request.From(ctx).Mark("Object validated")
	if len(errs) > 0 {
		return finish, u.invalid(obj, errs)
	}
	if u.st.WarningsOnUpdate != nil {
		warn(ctx, u.st.WarningsOnUpdate(ctx, obj, old))
	}
	if u.st.Canonicalize != nil {
		u.st.Canonicalize(obj)
	}
	return finish, nil
}

// draftUpdate encodes the updated object; nil means that it is what is stored
// already, but for the times in managedFields, which are then the stored ones.
// What storage would keep in another way now is written though it is the same.
func (u *update) draftUpdate(obj, old scheme.Object, current *watchcache.Object) (*draft, error) {
	d, err := u.draft(u.key, obj, u.hub.Revision()+1)
	if err != nil {
		return nil, err
	}
	if !sameLength(d.object, current) || u.storedOtherwise(u.prefix+u.key) {
		return d, nil
	}
	if sameBytes(d.object, current) {
		return nil, nil
	}
	// A time is as long as any other, so only here can times be all that
	// differs.
	managed, before := scheme.ManagedFields(obj), scheme.ManagedFields(old)
	if !sameButTimes(managed, before) {
		return d, nil
	}
	scheme.SetManagedFields(obj, before)
	again, err := u.draft(u.key, obj, u.hub.Revision()+1)
	if err != nil {
		return nil, err
	}
	if sameBytes(again.object, current) {
		return nil, nil
	}
	scheme.SetManagedFields(obj, managed)
	return d, nil
}

// storedOtherwise tells whether storage would keep the value of a key in another
// way now.
func (s *Store) storedOtherwise(key string) bool {
	r, ok := s.engine.(storage.Resealer)
	return ok && r.Old(key)
}

// sameLength compares the lengths of two objects' JSON without their
// resourceVersions.
func sameLength(a, b *watchcache.Object) bool {
	return len(a.Raw)-a.HoleLen == len(b.Raw)-b.HoleLen
}

// sameBytes tells whether two objects are equal but for their resourceVersions.
func sameBytes(a, b *watchcache.Object) bool {
	return sameLength(a, b) && a.HoleOffset == b.HoleOffset &&
		bytes.Equal(a.Raw[:a.HoleOffset], b.Raw[:b.HoleOffset]) &&
		bytes.Equal(a.Raw[a.HoleOffset+a.HoleLen:], b.Raw[b.HoleOffset+b.HoleLen:])
}

func sameButTimes(a, b []metav1.ManagedFieldsEntry) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Manager != y.Manager || x.Operation != y.Operation || x.APIVersion != y.APIVersion ||
			x.FieldsType != y.FieldsType || x.Subresource != y.Subresource || (x.Time == nil) != (y.Time == nil) {
			return false
		}
		if (x.FieldsV1 == nil) != (y.FieldsV1 == nil) || x.FieldsV1 != nil && !bytes.Equal(x.FieldsV1.Raw, y.FieldsV1.Raw) {
			return false
		}
	}
	return true
}

// deletes tells that an update is the last step of a delete.
func (u *update) deletes(ctx context.Context, obj, old scheme.Object) bool {
	grace := old.GetDeletionGracePeriodSeconds()
	if len(obj.GetFinalizers()) > 0 || old.GetDeletionTimestamp() == nil || grace != nil && *grace != 0 {
		return false
	}
	should := u.resource.Strategy.ShouldDeleteDuringUpdate
	return should == nil || should(ctx, obj, old)
}

// remove deletes the object instead of writing it. The event carries the stored
// state; the client gets the one that it wrote.
func (u *update) remove(ctx context.Context, obj, old scheme.Object, current *watchcache.Object) (*Result, error) {
	answer, err := u.pretend(u.key, obj, current.Revision)
	if err != nil {
		return nil, err
	}
	answer.Deleted = true
	if u.o.DryRun {
		return answer, nil
	}
	if _, err := u.commitDelete(ctx, current); err != nil {
		return nil, err
	}
	if after := u.resource.Strategy.AfterDelete; after != nil {
		after(ctx, old)
	}
	return answer, nil
}

// tryCreate is an update of what does not exist.
func (u *update) tryCreate(ctx context.Context) (*Result, error) {
	st := &u.resource.Strategy
	if !st.AllowCreateOnUpdate && !u.o.AllowCreate {
		return nil, u.notFound(u.name)
	}
	if err := u.checkPreconditions(u.o.Preconditions, u.ns, u.name, "", "", u.o.DryRun); err != nil {
		return nil, err
	}
	obj, err := u.o.Transform(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, err := parseObjectVersion(obj.GetResourceVersion()); err != nil {
		return nil, err
	}
	if err := u.ensureNamespace(obj, u.ns); err != nil {
		return nil, err
	}
	finish, err := u.prepareCreate(ctx, obj, u.o.DryRun, u.o.ValidateCreate)
	defer func() { finish(false) }()
	if err != nil {
		return nil, err
	}
	if u.o.DryRun {
		r, err := u.pretend(u.key, obj, 0)
		if r != nil {
			r.Created = true
		}
		return r, err
	}
	d, err := u.draft(u.key, obj, u.hub.Revision()+1)
	if err != nil {
		return nil, err
	}
	object, err := u.commit(ctx, d, 0, false)
	if err != nil {
		return nil, err
	}
	finish(true)
	finish = finishNothing
	r := u.written(object, obj)
	r.Created = true
	return r, nil
}

// written is the result of a write that left an object.
func (s *Store) written(object *watchcache.Object, obj scheme.Object) *Result {
	obj.SetResourceVersion(strconv.FormatInt(object.Revision, 10))
	return &Result{Object: object, Hub: obj}
}
