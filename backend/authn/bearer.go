package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"pilothouse/backend/request"
)

// ErrInvalidToken is the error of a bearer token that nobody knows.
var ErrInvalidToken = errors.New("invalid bearer token")

// Bearer reads the token of the Authorization header. A token that nobody knows
// is an error. More than one space before it makes the header void, with a
// warning, and words after it are ignored, as in Kubernetes.
func Bearer(tokens TokenAuthenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		token, void := bearerToken(r.Header.Get("Authorization"))
		if void {
			r.Warn("the provided Authorization header contains extra space before the bearer token, and is ignored")
		}
		if token == "" {
			return nil, nil
		}
		return known(ctx, r, tokens, token)
	})
}

// known asks whose a token is. What its audit annotations and warnings say goes
// with every request that it comes with.
func known(ctx context.Context, r *request.Request, tokens TokenAuthenticator, token string) (*request.User, error) {
	id, err := tokens.AuthenticateToken(ctx, token, nil)
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, ErrInvalidToken
	}
	for key, value := range id.Annotations {
		r.Annotate(key, value)
	}
	r.KnownBy(id.Authenticator)
	for _, text := range id.Warnings {
		r.Warn(text)
	}
	return id.User, nil
}

// bearerToken takes the token out of an Authorization header; it is empty when
// there is none. void tells a header that would hold one but for an extra space.
func bearerToken(header string) (token string, void bool) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	token, _, more := strings.Cut(rest, " ")
	return token, token == "" && more
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
		return known(ctx, r, tokens, token)
	})
}
