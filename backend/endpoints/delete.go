package endpoints

import (
	"context"
	"net/http"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
)

// delete deletes an object, or begins to.
func (c *call) delete(ctx context.Context) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	o, err := deleteOptions(c.r)
	if err != nil {
		return nil, err
	}
	w := c.newWrite(c.r.Info.Name, o, o.DryRun)
	result, err := c.e.Store.Delete(ctx, c.namespace(), c.r.Info.Name, registry.DeleteOptions{
		Options:  *o,
		DryRun:   w.dryRun,
		Validate: w.deleteValidator(),
	})
	if err != nil {
		return nil, err
	}
	if result.Deleted && !c.e.Resource.Strategy.DeleteReturnsObject {
		return c.deleted(result.Object)
	}
	status := http.StatusOK
	//nolint:staticcheck // deprecated, and still what tells old clients apart
	if orphan := o.OrphanDependents; !result.Deleted && orphan != nil && !*orphan {
		status = http.StatusAccepted
	}
	return c.object(status, result.Object)
}

// deleteCollection deletes everything that the options select.
func (c *call) deleteCollection(ctx context.Context) (*request.Response, error) {
	list, err := listOptions(c.r)
	if err != nil {
		return nil, err
	}
	if list.Watch { // says nothing here, nor does what it was defaulted with
		list.Watch, list.SendInitialEvents, list.ResourceVersionMatch = false, nil, ""
	}
	if err := c.selectFields(list); err != nil {
		return nil, err
	}
	o, err := deleteOptions(c.r)
	if err != nil {
		return nil, err
	}
	w := c.newWrite("", o, o.DryRun)
	deleted, err := c.e.Store.DeleteCollection(ctx, c.storeListOptions(list), registry.DeleteOptions{
		Options:  *o,
		DryRun:   w.dryRun,
		Validate: w.deleteValidator(),
	})
	if err != nil {
		return nil, err
	}
	return c.answerList(deleted)
}
