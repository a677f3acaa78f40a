package endpoints

import (
	"context"
	"net/http"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/runtime"
)

// create keeps the object in the body.
func (c *call) create(ctx context.Context) (*request.Response, error) {
	if c.e.Resource.Virtual != nil {
		return c.createVirtual(ctx)
	}
	mediaType, err := c.bodyType()
	if err != nil {
		return nil, err
	}
	o, err := createOptions(c.r)
	if err != nil {
		return nil, err
	}
	obj, err := c.read(mediaType, fieldValidation(o.FieldValidation))
	if err != nil {
		return nil, err
	}
	wipeSystemFields(obj)
	if err := c.placeInNamespace(obj); err != nil {
		return nil, err
	}
	dropDuplicateOwners(c.r, obj, duplicateOwners)
	if obj, err = c.track(c.emptyHub, obj, o.FieldManager); err != nil {
		return nil, err
	}
	w := c.newWrite(obj.GetName(), o, o.DryRun)
	if obj, err = w.mutateObject(ctx, admission.Create, obj, nil); err != nil {
		return nil, err
	}
	if err := c.placeInNamespace(obj); err != nil { // a webhook may have moved it
		return nil, err
	}
	defer w.drop()
	result, err := c.e.Store.Create(ctx, obj, registry.CreateOptions{
		DryRun:   w.dryRun,
		Validate: w.validator(admission.Create),
	})
	if err != nil {
		return nil, err
	}
	w.written()
	return c.object(http.StatusCreated, result.Object)
}

// track records in obj's managedFields what the client changed from live, which
// is asked for only when somebody tracks.
func (c *call) track(live func() scheme.Object, obj scheme.Object, manager string) (scheme.Object, error) {
	if c.h.FieldManager == nil {
		return obj, nil
	}
	out, err := c.h.FieldManager.Update(c.e.Resource, c.e.Version.Name, c.subName(), live(), obj, c.fieldManager(manager))
	c.r.Mark("Fields tracked")
	return out, err
}

// mutateObject is mutate for a resource's own objects.
func (w *write) mutateObject(ctx context.Context, op admission.Operation, obj, old scheme.Object) (scheme.Object, error) {
	var current runtime.Object
	if old != nil {
		current = old
	}
	out, err := w.mutate(ctx, op, obj, current)
	if err != nil {
		return nil, err
	}
	mutated, ok := out.(scheme.Object)
	if !ok {
		return nil, errMutatedAway
	}
	dropDuplicateOwners(w.c.r, mutated, duplicateOwnersAfterMutation)
	return mutated, nil
}
