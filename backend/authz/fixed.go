package authz

import (
	"context"
	"strings"

	"pilothouse/backend/request"
)

// AlwaysAllow allows everything.
func AlwaysAllow() Authorizer {
	return Func(func(context.Context, *Attributes) (Decision, string, error) { return Allow, "", nil })
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

// publicInfo and discovery are the paths of Kubernetes' cluster roles
// system:public-info-viewer, which everybody has, and system:discovery, which
// every authenticated user has.
var (
	publicInfo = []string{"/healthz", "/livez", "/readyz", "/version", "/version/"}
	discovery  = []string{"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"}
)

// PublicInfo allows what nobody needs a role of their own for: health and
// version to all, discovery to everyone authenticated.
func PublicInfo() Authorizer {
	return Func(func(_ context.Context, a *Attributes) (Decision, string, error) {
		if a.IsResource || a.Verb != "get" {
			return NoOpinion, "", nil
		}
		paths := publicInfo
		if a.User.InGroup(request.GroupAuthenticated) {
			paths = discovery
		}
		for _, p := range paths {
			prefix, all := strings.CutSuffix(p, "*")
			if a.Path == p || all && strings.HasPrefix(a.Path, prefix) {
				return Allow, "", nil
			}
		}
		return NoOpinion, "", nil
	})
}
