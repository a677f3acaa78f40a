package server

import (
	"context"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

var noResource schema.GroupResource

// authenticate finds out who asks. A request that the server makes itself, or
// whose user an earlier filter knows, has its User already. audit sees the
// refusals.
func authenticate(a authn.Authenticator, audit Filter) Filter {
	refuse := optional(audit)(func(context.Context, *request.Request) (*request.Response, error) {
		return nil, apierrors.NewUnauthorized("Unauthorized")
	})
	return func(next request.Handler) request.Handler {
		return func(ctx context.Context, r *request.Request) (*request.Response, error) {
			if r.User == nil {
				user, err := a.Authenticate(ctx, r)
				if err != nil {
					klog.V(2).InfoS("Unable to authenticate the request", "srcIP", r.RemoteAddr, "audit-ID", r.ID, "err", err)
				}
				if err != nil || user == nil {
					return refuse(ctx, r)
				}
				r.User = user
			}
			r.Mark("Authenticated")
			return next(ctx, r)
		}
	}
}

// authorize asks whether the user may do this.
func authorize(a authz.Authorizer) Filter {
	return func(next request.Handler) request.Handler {
		return func(ctx context.Context, r *request.Request) (*request.Response, error) {
			attributes := authz.FromRequest(r)
			decision, reason, err := a.Authorize(ctx, &attributes)
			r.Mark("Authorized")
			if decision == authz.Allow {
				r.Annotate("authorization.k8s.io/decision", "allow")
				r.Annotate("authorization.k8s.io/reason", reason)
				return next(ctx, r)
			}
			if err != nil {
				r.Annotate("authorization.k8s.io/reason", "internal error")
				return nil, err
			}
			klog.V(4).InfoS("Forbidden", "uri", MaskedURI(r), "user", attributes.User.Name, "reason", reason)
			r.Annotate("authorization.k8s.io/decision", "forbid")
			r.Annotate("authorization.k8s.io/reason", reason)
			return nil, authz.Forbidden(&attributes, reason)
		}
	}
}
