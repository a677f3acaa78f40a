package authz

import (
	"context"

	"pilothouse/backend/request"
)

// AlwaysAllow allows everything.
func AlwaysAllow() Authorizer {
	return Func(func(context.Context, *Attributes) (Decision, string, error) { return Allow, "", nil })
}

// AlwaysDeny allows nothing.
func AlwaysDeny() Authorizer {
	return Func(func(context.Context, *Attributes) (Decision, string, error) {
		return NoOpinion, "Everything is forbidden.", nil
	})
}

// Masters allows everything to the members of system:masters, whatever any
// policy says.
func Masters() Authorizer {
	return Func(func(_ context.Context, a *Attributes) (Decision, string, error) {
		if a.User.InGroup(request.GroupMasters) {
			return Allow, "", nil
		}
		return NoOpinion, "", nil
	})
}
