// Package authn owns who a caller is: one file per way of proving it, and the
// union that asks them in order. It knows requests and users, and neither
// storage nor authorization; ways that take more than a file have a package of
// their own below it (serviceaccount, oidc, webhook). Read authn.go first, then
// token.go, bearer.go, cache.go and x509.go; docs/authentication.md says how
// they are set up.
package authn

import (
	"context"
	"slices"

	"pilothouse/backend/request"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// Authenticator tells who sent a request. A nil user without an error means
// that the request has nothing that this authenticator reads; an error means
// that it has, and that it is not valid.
type Authenticator interface {
	Authenticate(ctx context.Context, r *request.Request) (*request.User, error)
}

// Func is an Authenticator.
type Func func(ctx context.Context, r *request.Request) (*request.User, error)

// Authenticate calls f.
func (f Func) Authenticate(ctx context.Context, r *request.Request) (*request.User, error) {
	return f(ctx, r)
}

// Union asks authenticators in order until one knows the caller. When none
// does, the errors of all of them come back.
func Union(list ...Authenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		var errs []error
		for _, a := range list {
			user, err := a.Authenticate(ctx, r)
			if err != nil {
				errs = append(errs, err)
			} else if user != nil {
				return user, nil
			}
		}
		return nil, utilerrors.NewAggregate(errs)
	})
}

// WithGroups adds the group of all authenticated users to whoever a knows,
// unless the user is anonymous or has it.
func WithGroups(a Authenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		user, err := a.Authenticate(ctx, r)
		if user == nil || err != nil {
			return nil, err
		}
		return addAuthenticated(user), nil
	})
}

func addAuthenticated(user *request.User) *request.User {
	if user.Name == request.UserAnonymous || user.InGroup(request.GroupAuthenticated) || user.InGroup(request.GroupUnauthenticated) {
		return user
	}
	more := *user
	more.Groups = append(slices.Clip(slices.Clone(user.Groups)), request.GroupAuthenticated)
	return &more
}

// OrElse asks first and, when it knows nobody and finds nothing wrong, second.
// Invalid credentials are thus never taken for none.
func OrElse(first, second Authenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		if user, err := first.Authenticate(ctx, r); user != nil || err != nil {
			return user, err
		}
		return second.Authenticate(ctx, r)
	})
}
