package authn

import (
	"context"

	"pilothouse/backend/request"
)

// Named tells the life of a request that a has known its sender. A nil a stays
// nil.
func Named(name string, a Authenticator) Authenticator {
	if a == nil {
		return nil
	}
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		user, err := a.Authenticate(ctx, r)
		if user != nil && err == nil {
			r.KnownBy(name)
		}
		return user, err
	})
}

// NamedTokens is Named for tokens: the name comes with the identity. A nil t
// stays nil.
func NamedTokens(name string, t TokenAuthenticator) TokenAuthenticator {
	if t == nil {
		return nil
	}
	return namedTokens{name, t}
}

type namedTokens struct {
	name string
	t    TokenAuthenticator
}

// AuthenticateToken adds the name.
func (n namedTokens) AuthenticateToken(ctx context.Context, token string, audiences []string) (*Identity, error) {
	id, err := n.t.AuthenticateToken(ctx, token, audiences)
	if err != nil || id == nil || id.Authenticator != "" {
		return id, err
	}
	named := *id
	named.Authenticator = n.name
	return &named, nil
}
