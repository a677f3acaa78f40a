package authn

import (
	"context"
	"slices"

	"pilothouse/backend/request"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// TokenAuthenticator tells whose a bearer token is. A nil Identity without an
// error means that the token is not one that this authenticator reads.
//
// audiences are whom the token is to be meant for, at least one of them; nil
// means the API server itself. What comes back may be shared with other
// requests and is not to be changed.
type TokenAuthenticator interface {
	AuthenticateToken(ctx context.Context, token string, audiences []string) (*Identity, error)
}

// Identity is who a token belongs to.
type Identity struct {
	User *request.User
	// Audiences are those of the ones asked for that the token is good for.
	Audiences []string
	// Annotations go into the audit event of every request with the token.
	Annotations map[string]string
	// Authenticator is the name of who knows the token, for the life of requests.
	Authenticator string
	// Warnings go to the client with every answer.
	Warnings []string
}

// TokenFunc is a TokenAuthenticator whose tokens are for nobody in particular.
type TokenFunc func(ctx context.Context, token string) (*request.User, error)

// AuthenticateToken calls f.
func (f TokenFunc) AuthenticateToken(ctx context.Context, token string, _ []string) (*Identity, error) {
	user, err := f(ctx, token)
	if user == nil || err != nil {
		return nil, err
	}
	return &Identity{User: user}, nil
}

// UnionTokens asks token authenticators in order until one knows the token.
func UnionTokens(list ...TokenAuthenticator) TokenAuthenticator { return tokenUnion(list) }

type tokenUnion []TokenAuthenticator

// AuthenticateToken gives the errors of all when none knows the token.
func (u tokenUnion) AuthenticateToken(ctx context.Context, token string, audiences []string) (*Identity, error) {
	var errs []error
	for _, a := range u {
		id, err := a.AuthenticateToken(ctx, token, audiences)
		if err != nil {
			errs = append(errs, err)
		} else if id != nil {
			return id, nil
		}
	}
	return nil, utilerrors.NewAggregate(errs)
}

// ForAPI limits tokens that name no audience to the API server's own: who asks
// on behalf of somebody else is told that the token is not for them.
func ForAPI(apiAudiences []string, tokens TokenAuthenticator) TokenAuthenticator {
	return &forAPI{apiAudiences, tokens}
}

type forAPI struct {
	audiences []string
	tokens    TokenAuthenticator
}

// AuthenticateToken asks only when the audiences have one in common.
func (f *forAPI) AuthenticateToken(ctx context.Context, token string, audiences []string) (*Identity, error) {
	if audiences == nil {
		return f.tokens.AuthenticateToken(ctx, token, nil)
	}
	both := Intersect(f.audiences, audiences)
	if len(both) == 0 {
		return nil, nil
	}
	id, err := f.tokens.AuthenticateToken(ctx, token, nil)
	if id == nil || err != nil {
		return nil, err
	}
	limited := *id
	limited.Audiences = both
	return &limited, nil
}

// Intersect gives the audiences of a that are among those of b.
func Intersect(a, b []string) []string {
	var both []string
	for _, one := range a {
		if slices.Contains(b, one) {
			both = append(both, one)
		}
	}
	return both
}

// Review tells whose a token is, as TokenReview wants to know it: the token is
// read as from a header, and that nobody knows it is an error, in Kubernetes'
// words.
func Review(tokens TokenAuthenticator) func(ctx context.Context, token string, audiences []string) (*request.User, []string, error) {
	return func(ctx context.Context, token string, audiences []string) (*request.User, []string, error) {
		token, _ = bearerToken("Bearer " + token)
		if token == "" {
			return nil, nil, ErrInvalidToken
		}
		id, err := tokens.AuthenticateToken(ctx, token, audiences)
		if err != nil || id == nil {
			return nil, nil, utilerrors.NewAggregate([]error{ErrInvalidToken, err})
		}
		return addAuthenticated(id.User), id.Audiences, nil
	}
}
