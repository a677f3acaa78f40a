// Package impersonation owns acting as somebody else: the headers that ask for
// it, the checks that allow it (those of old and the constrained ones of
// KEP-5284) and the user that comes out. Read impersonation.go first, then
// modes.go and checks.go.
package impersonation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/authz"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// Filter lets a caller act as the user that its Impersonate headers name, if it
// may. What comes after sees that user, with the real one as Impersonator, and
// no such headers.
func Filter(a authz.Authorizer) func(next request.Handler) request.Handler {
	m := newModes(a, time.Now)
	return func(next request.Handler) request.Handler {
		return func(ctx context.Context, r *request.Request) (*request.Response, error) {
			if !request.AnyHeader(r.Header, prefix) {
				return next(ctx, r)
			}
			if err := m.impersonate(ctx, r); err != nil {
				return nil, err
			}
			return next(ctx, r)
		}
	}
}

// modes are the ways of impersonating, and what is remembered about them.
type modes struct {
	list  []*mode
	last  lastModes
	users authn.Users
}

func (m *modes) impersonate(ctx context.Context, r *request.Request) error {
	wanted, err := readHeaders(r.Header)
	if wanted == nil || err != nil {
		return err
	}
	if r.User == nil {
		return apierrors.NewInternalError(errors.New("no User found in the context"))
	}
	got, err := m.find(ctx, wanted, r)
	if err != nil {
		klog.V(4).InfoS("Impersonation is forbidden", "user", r.User.Name, "err", err)
		return err
	}
	klog.V(4).InfoS("Impersonation", "user", r.User.Name, "as", got.user.Name, "audit-ID", r.ID)
	r.Impersonator, r.User = r.User, m.users.Intern(got.user)
	r.Mark("Impersonated")
	r.ImpersonationConstraint = got.constraint
	r.Header = request.WithoutHeaders(r.Header, isOurs)
	return nil
}

// outcome is a user that may be impersonated. constraint is the verb that
// allowed it, empty for the impersonation of old.
type outcome struct {
	user       *request.User
	constraint string
}

// find tries the mode that worked last for the caller, then the others in
// order. When none does, the error of the first one that was asked counts.
func (m *modes) find(ctx context.Context, wanted *request.User, r *request.Request) (*outcome, error) {
	q := &question{caller: r.User, wanted: wanted, request: authz.FromRequest(r), query: r.RawQuery}
	first, known := m.last.get(r.User.Name)
	var failure error
	try := func(i int) *outcome {
		got, err := m.list[i].check(ctx, q)
		if err != nil && failure == nil {
			failure = err
		}
		if err != nil {
			return nil
		}
		return got
	}
	if known {
		if got := try(first); got != nil {
			return got, nil
		}
	}
	for i := range m.list {
		if known && i == first {
			continue
		}
		if got := try(i); got != nil {
			m.last.set(r.User.Name, i)
			return got, nil
		}
	}
	if failure == nil {
		failure = apierrors.NewInternalError(errors.New("all impersonation modes failed"))
	}
	return nil, failure
}

// question is one request to act as somebody.
type question struct {
	caller, wanted *request.User
	// request are the attributes of what is to be done, query the rest of it
	// that decides (selectors).
	request authz.Attributes
	query   string

	withRequest, withoutRequest cacheKey // made when asked for
}

// describe is how Kubernetes prints a wanted user.
func describe(u *request.User) string {
	return fmt.Sprintf("&user.DefaultInfo{Name:%#v, UID:%#v, Groups:%#v, Extra:%#v}", u.Name, u.UID, u.Groups, u.Extra)
}
