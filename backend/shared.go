package backend

import (
	"context"

	"pilothouse/backend/request"
	"pilothouse/backend/storage"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// consistent makes requests see what other servers on the same storage had
// written before: it waits for the storage's stream. As in Kubernetes, a read
// that names a resourceVersion takes what is here, or waits for that revision.
func consistent(engine storage.Shared, next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Info.IsResource && !namesRevision(r) {
			if err := engine.Sync(ctx); err != nil {
				return nil, apierrors.NewTimeoutError("the storage does not answer: "+err.Error(), 1)
			}
		}
		return next(ctx, r)
	}
}

func namesRevision(r *request.Request) bool {
	switch r.Info.Verb {
	case "get", "list", "watch":
		return r.Query().Get("resourceVersion") != ""
	}
	return false
}
