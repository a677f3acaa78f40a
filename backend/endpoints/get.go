package endpoints

import (
	"context"
	"net/http"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// get answers with one object.
func (c *call) get(ctx context.Context) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	if virtual := c.e.Resource.Virtual; virtual != nil {
		return c.getVirtual(ctx)
	}
	if c.wantsPast() {
		return c.past(ctx)
	}
	o, err := getOptions(c.r)
	if err != nil {
		return nil, err
	}
	obj, err := c.e.Store.Get(ctx, c.namespace(), c.r.Info.Name, registry.GetOptions{
		ResourceVersion: o.ResourceVersion,
		// Kubernetes has this for lists only.
		Exact: o.ResourceVersion != "" && c.r.Query().Get("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact),
	})
	if err != nil {
		return nil, err
	}
	return c.object(http.StatusOK, obj)
}
