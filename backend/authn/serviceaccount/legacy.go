package serviceaccount

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// LegacyIssuer is the issuer of tokens that secrets hold.
const LegacyIssuer = "kubernetes/serviceaccount"

// LegacyClaims are what the token of a secret says besides its issuer and
// subject.
type LegacyClaims struct {
	Account    string `json:"kubernetes.io/serviceaccount/service-account.name"`
	AccountUID string `json:"kubernetes.io/serviceaccount/service-account.uid"`
	Secret     string `json:"kubernetes.io/serviceaccount/secret.name"`
	Namespace  string `json:"kubernetes.io/serviceaccount/namespace"`
}

// LegacyOptions say which tokens of secrets are good.
type LegacyOptions struct {
	Keys *Keys
	// Audiences are the API server's own.
	Audiences []string
	// SkipLookup trusts the signature alone (--service-account-lookup=false).
	SkipLookup bool
	Lookup     Lookup
	Now        func() time.Time
	// Used is told that the token of a secret is used, for the first time on a
	// day; nil tells nobody.
	Used func(ctx context.Context, secret *corev1.Secret, day string)
}

// NewLegacy gives an authenticator of the tokens that secrets of the type
// kubernetes.io/service-account-token hold. They have no audience and no end,
// but that of their secret.
func NewLegacy(o LegacyOptions) *Legacy { return &Legacy{o} }

// Legacy is an authenticator of tokens of secrets.
type Legacy struct{ o LegacyOptions }

// AuthenticateToken leaves alone what is not a token of this form.
func (l *Legacy) AuthenticateToken(ctx context.Context, token string, audiences []string) (*authn.Identity, error) {
	var c struct {
		jwt.Claims
		LegacyClaims
	}
	if ok, err := verify(l.o.Keys, []string{LegacyIssuer}, token, &c, &c.Claims); !ok || err != nil {
		return nil, err
	}
	common, err := commonAudiences(&c.Claims, l.o.Audiences, audiences)
	if err != nil {
		return nil, err
	}
	if err := checkLegacy(&c.LegacyClaims, c.Subject); err != nil {
		return nil, err
	}
	id := &authn.Identity{
		User: &request.User{
			Name: Username(c.Namespace, c.Account), UID: c.AccountUID, Groups: append(Groups(c.Namespace), request.GroupAuthenticated),
		},
		Audiences:   common,
		Annotations: map[string]string{"authentication.k8s.io/legacy-token": c.Subject},
	}
	if !l.o.SkipLookup {
		secret, account, err := l.checkObjects(ctx, &c.LegacyClaims, token)
		if err != nil {
			return nil, err
		}
		l.track(ctx, secret, account, id)
	}
	legacyUsed.Inc()
	return id, nil
}

// checkLegacy wants all claims, and a subject that says the same.
func checkLegacy(c *LegacyClaims, subject string) error {
	switch {
	case subject == "":
		return errors.New("sub claim is missing")
	case c.Namespace == "":
		return errors.New("namespace claim is missing")
	case c.Secret == "":
		return errors.New("secretName claim is missing")
	case c.Account == "":
		return errors.New("serviceAccountName claim is missing")
	case c.AccountUID == "":
		return errors.New("serviceAccountUID claim is missing")
	}
	if namespace, name, ok := SplitUsername(subject); !ok || namespace != c.Namespace || name != c.Account {
		return errors.New("sub claim is invalid")
	}
	return nil
}

// checkObjects wants the secret and the account of a token.
func (l *Legacy) checkObjects(ctx context.Context, c *LegacyClaims, token string) (*corev1.Secret, *corev1.ServiceAccount, error) {
	secret, err := l.o.Lookup.Secret(ctx, c.Namespace, c.Secret)
	if err != nil || deleted(secret.DeletionTimestamp, l.o.Now()) {
		klog.V(4).InfoS("The secret of a token is gone", "secret", klog.KRef(c.Namespace, c.Secret), "err", err)
		return nil, nil, errors.New("Token has been invalidated") //nolint:staticcheck // Kubernetes' words
	}
	if subtle.ConstantTimeCompare(secret.Data[corev1.ServiceAccountTokenKey], []byte(token)) != 1 {
		return nil, nil, errors.New("Token does not match server's copy") //nolint:staticcheck // Kubernetes' words
	}
	account, err := l.o.Lookup.Account(ctx, c.Namespace, c.Account)
	if err != nil {
		return nil, nil, err
	}
	if deleted(account.DeletionTimestamp, l.o.Now()) {
		return nil, nil, fmt.Errorf("ServiceAccount %s/%s has been deleted", c.Namespace, c.Account)
	}
	if string(account.UID) != c.AccountUID {
		return nil, nil, fmt.Errorf("ServiceAccount UID (%s) does not match claim (%s)", account.UID, c.AccountUID)
	}
	if since, invalid := secret.Labels[invalidSince]; invalid {
		invalidUsed.Inc()
		l.noteUse(ctx, secret)
		return nil, nil, fmt.Errorf("the token in secret %s/%s for service account %s/%s has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '%s' label from the secret to temporarily allow use of this token",
			c.Namespace, c.Secret, c.Namespace, c.Account, invalidSince+"="+since)
	}
	return secret, account, nil
}
