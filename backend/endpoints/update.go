package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var errMutatedAway = apierrors.NewInternalError(errors.New("admission left no object to write"))

// update replaces an object with the one in the body, or creates it where the
// resource allows that.
func (c *call) update(ctx context.Context) (*request.Response, error) {
	return c.replace(ctx, nil)
}

// replace writes the body through a strategy: the resource's own when it is
// nil, a subresource's otherwise.
func (c *call) replace(ctx context.Context, strategy *registry.Strategy) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	o, err := updateOptions(c.r)
	if err != nil {
		return nil, err
	}
	mediaType, err := c.bodyType()
	if err != nil {
		return nil, err
	}
	validation := fieldValidation(o.FieldValidation)
	obj, err := c.readForUpdate(mediaType, validation)
	if err != nil {
		return nil, err
	}
	dropDuplicateOwners(c.r, obj, duplicateOwners)
	var preconditions *metav1.Preconditions
	if uid := obj.GetUID(); uid != "" {
		preconditions = &metav1.Preconditions{UID: &uid}
	}
	w := c.newWrite(c.r.Info.Name, o, o.DryRun)
	tries := 0
	transform := func(ctx context.Context, current scheme.Object) (scheme.Object, error) {
		next := obj
		if tries++; tries > 1 {
			// The first try has changed obj: read it anew.
			var err error
			if next, err = c.readForUpdate(mediaType, scheme.Ignore); err != nil {
				return nil, err
			}
		}
		return c.prepareUpdate(ctx, w, current, next, o.FieldManager)
	}
	return c.storeUpdate(ctx, w, registry.UpdateOptions{
		Strategy:      strategy,
		Transform:     transform,
		Preconditions: preconditions,
	})
}

// readForUpdate reads the body as an object of the resource that the path names.
func (c *call) readForUpdate(mediaType string, v scheme.Validation) (scheme.Object, error) {
	obj, err := c.read(mediaType, v)
	if err != nil {
		return nil, err
	}
	if err := c.placeInNamespace(obj); err != nil {
		return nil, err
	}
	return obj, c.checkName(obj)
}

// prepareUpdate tracks fields and lets admission change what is to take the
// place of current, which is nil when the object doesn't exist.
func (c *call) prepareUpdate(ctx context.Context, w *write, current, next scheme.Object, manager string) (scheme.Object, error) {
	op := admission.Update
	live := func() scheme.Object { return current }
	if current == nil {
		op, live = admission.Create, c.emptyHub
	}
	next, err := c.track(live, next, manager)
	if err != nil {
		return nil, err
	}
	if next, err = w.mutateObject(ctx, op, next, current); err != nil {
		return nil, err
	}
	keepFieldTimes(next, current)
	return next, nil
}

// storeUpdate does what updates and patches have in common: admission's last
// word, the right to create where the object turns out to be missing, and the
// answer.
func (c *call) storeUpdate(ctx context.Context, w *write, o registry.UpdateOptions) (*request.Response, error) {
	o.DryRun = w.dryRun
	o.Validate = w.validator(admission.Update)
	o.ValidateCreate = c.mayCreate(w.validator(admission.Create))
	defer w.drop()
	result, err := c.e.Store.Update(ctx, c.namespace(), c.r.Info.Name, o)
	if err != nil {
		return nil, err
	}
	w.written()
	status := http.StatusOK
	if result.Created {
		status = http.StatusCreated
	}
	return c.object(status, result.Object)
}

// mayCreate puts the question whether the user may create before admission:
// the request was authorized as an update.
func (c *call) mayCreate(validate registry.ValidateFunc) registry.ValidateFunc {
	authorize := c.h.AuthorizeCreate
	if authorize == nil {
		return validate
	}
	return func(ctx context.Context, obj, old scheme.Object) error {
		if err := authorize(ctx, c.r, c.namespace(), c.r.Info.Name); err != nil {
			return err
		}
		if validate == nil {
			return nil
		}
		return validate(ctx, obj, old)
	}
}

// uidMismatch is the error for an object that names the uid of one that does
// not exist.
func (c *call) uidMismatch(obj metav1.Object) error {
	return apierrors.NewConflict(c.v.gvr.GroupResource(), c.r.Info.Name,
		fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", obj.GetUID()))
}
