package impersonation

import (
	"fmt"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// prefix begins all headers of impersonation, and those of nothing else.
const prefix = "Impersonate-"

// isOurs tells the headers that nobody after the filter is to see.
func isOurs(name string) bool { return request.HasPrefixFold(name, prefix) }

// readHeaders gives the user that a request wants to act as, nil when it wants
// none. What the headers say is taken as it is.
func readHeaders(h request.Header) (*request.User, error) {
	u := &request.User{
		Name:   h.Get(authenticationv1.ImpersonateUserHeader),
		UID:    h.Get(authenticationv1.ImpersonateUIDHeader),
		Groups: h.Values(authenticationv1.ImpersonateGroupHeader),
	}
	h.Each(func(name, value string) {
		const extra = authenticationv1.ImpersonateUserExtraHeaderPrefix
		if !request.HasPrefixFold(name, extra) {
			return
		}
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		key := authn.ExtraKey(name[len(extra):])
		u.Extra[key] = append(u.Extra[key], value)
	})
	switch {
	case u.Name != "":
		return u, nil
	case u.UID != "" || len(u.Groups) > 0 || len(u.Extra) > 0:
		return nil, apierrors.NewBadRequest(fmt.Sprintf("requested %s without impersonating a user name", describe(u)))
	}
	return nil, nil
}
