package authn

import (
	"context"
	"slices"

	"pilothouse/backend/request"
)

var anonymous = &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}

// Anonymous takes everybody for system:anonymous; with paths, only those who
// ask for one of them.
func Anonymous(paths ...string) Authenticator {
	return Func(func(_ context.Context, r *request.Request) (*request.User, error) {
		if len(paths) > 0 && !slices.Contains(paths, r.Path) {
			return nil, nil
		}
		return anonymous, nil
	})
}
