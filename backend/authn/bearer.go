package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"pilothouse/backend/request"
)

// TokenAuthenticator tells whose a bearer token is. A nil user without an error
// means that the token is not one that this authenticator reads.
type TokenAuthenticator interface {
	AuthenticateToken(ctx context.Context, token string) (*request.User, error)
}

// TokenFunc is a TokenAuthenticator.
type TokenFunc func(ctx context.Context, token string) (*request.User, error)

// AuthenticateToken calls f.
func (f TokenFunc) AuthenticateToken(ctx context.Context, token string) (*request.User, error) {
	return f(ctx, token)
}

// UnionTokens asks token authenticators in order until one knows the token.
func UnionTokens(list ...TokenAuthenticator) TokenAuthenticator {
	return TokenFunc(func(ctx context.Context, token string) (*request.User, error) {
		var errs []error
		for _, a := range list {
			user, err := a.AuthenticateToken(ctx, token)
			if err != nil {
				errs = append(errs, err)
			} else if user != nil {
				return user, nil
			}
		}
		return nil, errors.Join(errs...)
	})
}

var errInvalidToken = errors.New("invalid bearer token")

// Bearer reads the token of the Authorization header. A token that nobody knows
// is an error. More than one space before it makes the header void, with a
// warning, and words after it are ignored, as in Kubernetes.
func Bearer(tokens TokenAuthenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		parts := strings.SplitN(strings.TrimSpace(r.Header.Get("Authorization")), " ", 3)
		if len(parts) < 2 || !strings.EqualFold(parts[0], "bearer") {
			return nil, nil
		}
		if parts[1] == "" {
			if len(parts) == 3 {
				r.Warn("the provided Authorization header contains extra space before the bearer token, and is ignored")
			}
			return nil, nil
		}
		return known(ctx, tokens, parts[1])
	})
}

func known(ctx context.Context, tokens TokenAuthenticator, token string) (*request.User, error) {
	user, err := tokens.AuthenticateToken(ctx, token)
	if user == nil && err == nil {
		err = errInvalidToken
	}
	return user, err
}

// protocolPrefix begins the WebSocket subprotocol in which browsers, which can
// set no Authorization header there, send a token.
const protocolPrefix = "base64url.bearer.authorization.k8s.io."

// WebSocketBearer reads the token of a WebSocket handshake's subprotocols. It
// must come with another subprotocol, since the server never answers with it.
func WebSocketBearer(tokens TokenAuthenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			return nil, nil
		}
		token, others := "", 0
		for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
			for protocol := range strings.SplitSeq(line, ",") {
				encoded, is := strings.CutPrefix(strings.TrimSpace(protocol), protocolPrefix)
				if !is {
					others++
					continue
				}
				decoded, err := base64.RawURLEncoding.DecodeString(encoded)
				if err != nil || !utf8.Valid(decoded) || token != "" {
					return nil, errors.New("invalid base64url.bearer.authorization.k8s.io token")
				}
				token = string(decoded)
			}
		}
		if token == "" {
			return nil, nil
		}
		if others == 0 {
			return nil, errors.New("missing additional subprotocol beside the bearer token")
		}
		return known(ctx, tokens, token)
	})
}
