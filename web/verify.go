package web

import (
	"context"
	"errors"
	"time"

	"pilothouse/backend/authn/oidc"
	"pilothouse/web/session"

	"k8s.io/klog/v2"
)

const (
	// verifyInterval is how often the token of a session is checked again.
	verifyInterval = time.Minute
	// renewBefore is how long before its end an ID token is renewed: at the last
	// check but one.
	renewBefore = 2*verifyInterval + 10*time.Second
	// renewTimeout bounds a renewal.
	renewTimeout = 10 * time.Second
)

// verify tells whether a session goes on. One with a token ends when the token
// is not valid any more, and cannot be renewed.
func (d *Dashboard) verify(ctx context.Context, s *session.Session, secret string) bool {
	fresh := func() bool { return !s.HasToken() || s.VerifiedSince(d.site.Clock().Add(-verifyInterval)) }
	return fresh() || s.Check(func() bool { return fresh() || d.check(ctx, s, secret) })
}

func (d *Dashboard) check(ctx context.Context, s *session.Session, secret string) bool {
	if !d.site.Sessions.Alive(s) {
		return false
	}
	token, err := d.token(ctx, s, secret)
	if err == nil {
		user, unknown := d.site.UserOfToken(ctx, token)
		if unknown == nil && user != nil && user.Name == s.User.Name {
			s.Verified(d.site.Clock(), user)
			return true
		}
		err = unknown
	}
	klog.V(1).InfoS("Session ended: its token is not valid any more", "user", s.User.Name, "session", s.ID[:8], "err", err)
	d.site.Sessions.Expire(s.ID)
	return false
}

// token gives the session's token, a newer one when it is about to end. While
// the provider does not answer the one that there is has to do.
func (d *Dashboard) token(ctx context.Context, s *session.Session, secret string) (string, error) {
	token, refresh := s.Token(secret), s.Refresh(secret)
	if refresh == "" || oidc.Expiry(token).After(d.site.Clock().Add(renewBefore)) {
		return token, nil
	}
	// A browser that goes away must not lose what the provider gives only once.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	tokens, err := d.site.Logins.Refresh(ctx, s.Issuer, refresh)
	switch {
	case errors.Is(err, oidc.ErrOver):
		return "", err
	case err != nil:
		klog.ErrorS(err, "Login at a provider cannot be renewed now", "issuer", s.Issuer, "session", s.ID[:8])
		return token, nil
	}
	d.site.Sessions.Renew(s, secret, tokens.ID, tokens.Refresh)
	return tokens.ID, nil
}
