package endpoints

import (
	"context"
	"net/http"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
)

// get answers with one object.
func (c *call) get(ctx context.Context) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	if virtual := c.e.Resource.Virtual; virtual != nil {
		return c.getVirtual(ctx)
	}
	o, err := getOptions(c.r)
	if err != nil {
		return nil, err
	}
	obj, err := c.e.Store.Get(ctx, c.namespace(), c.r.Info.Name, registry.GetOptions{ResourceVersion: o.ResourceVersion})
	if err != nil {
		return nil, err
	}
	return c.object(http.StatusOK, obj)
}
