package authn

import (
	"context"

	"pilothouse/backend/request"
)

var anonymous = &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}

// Anonymous takes everybody for system:anonymous.
func Anonymous() Authenticator {
	return Func(func(context.Context, *request.Request) (*request.User, error) { return anonymous, nil })
}
