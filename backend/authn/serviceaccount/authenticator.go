package serviceaccount

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/authn"

	"github.com/go-jose/go-jose/v4/jwt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/klog/v2"
)

// Options say which tokens are good.
type Options struct {
	Keys *Keys
	// Issuers are who may have issued a token.
	Issuers []string
	// Audiences are the API server's own.
	Audiences []string
	Lookup    Lookup
	Now       func() time.Time
}

// Authenticator knows tokens of service accounts that TokenRequest gave out: the
// signature, the time, the audience, and that the account and what the token is
// bound to are still there.
type Authenticator struct{ o Options }

// New gives an Authenticator.
func New(o Options) *Authenticator { return &Authenticator{o} }

// AuthenticateToken leaves alone what is not a token of one of the issuers.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string, audiences []string) (*authn.Identity, error) {
	var c Claims
	if ok, err := verify(a.o.Keys, a.o.Issuers, token, &c, &c.Claims); !ok || err != nil {
		return nil, err
	}
	common, err := commonAudiences(&c.Claims, a.o.Audiences, audiences)
	if err != nil {
		return nil, err
	}
	if err := checkTimes(&c.Claims, a.o.Now()); err != nil {
		return nil, err
	}
	if err := a.checkObjects(ctx, &c.Kubernetes); err != nil {
		return nil, err
	}
	stale := c.staleAnnotation(a.o.Now())
	if stale != nil {
		staleUsed.Inc()
	} else {
		validUsed.Inc()
	}
	return &authn.Identity{User: c.user(), Audiences: common, Annotations: stale}, nil
}

// verify checks the signature of a token whose issuer is among issuers and reads
// what it says into claims; public is the part of claims that has the issuer. It
// gives false for a token that is somebody else's business.
func verify(keys *Keys, issuers []string, token string, claims any, public *jwt.Claims) (bool, error) {
	if !slices.Contains(issuers, statedIssuer(token)) {
		return false, nil
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return false, nil //nolint:nilerr // a form that no token of a service account has
	}
	candidates := keys.current.Load().candidates(statedKey(parsed))
	if len(candidates) == 0 {
		return false, errors.New("invalid signature, no keys found")
	}
	var errs []error
	for _, key := range candidates {
		if string(key.algorithm) != parsed.Headers[0].Algorithm {
			errs = append(errs, errors.New("the token is signed with an algorithm that is not the key's"))
			continue
		}
		if err := parsed.Claims(key.key, claims); err != nil {
			errs = append(errs, err)
			continue
		}
		// What was looked at before the signature counts only now.
		if !slices.Contains(issuers, public.Issuer) {
			return false, fmt.Errorf("token issuer %q is invalid", public.Issuer)
		}
		return true, nil
	}
	return false, utilerrors.NewAggregate(errs)
}

// statedIssuer is who a token says issued it, empty when it is no JWT. Nothing
// about it is verified.
func statedIssuer(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var stated struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &stated) != nil {
		return ""
	}
	return stated.Issuer
}

func statedKey(token *jwt.JSONWebToken) string {
	for _, h := range token.Headers {
		if h.KeyID != "" {
			return h.KeyID
		}
	}
	return ""
}

// commonAudiences gives those of the asked ones that a token is for. A token
// that names none is for the API server.
func commonAudiences(c *jwt.Claims, api, asked []string) ([]string, error) {
	of := []string(c.Audience)
	if len(of) == 0 {
		of = api
	}
	if asked == nil {
		asked = api
	}
	common := authn.Intersect(of, asked)
	if len(common) == 0 && len(api) > 0 {
		return nil, fmt.Errorf("token audiences %q is invalid for the target audiences %q", of, asked)
	}
	return common, nil
}

func checkTimes(c *jwt.Claims, now time.Time) error {
	err := c.Validate(jwt.Expected{Time: now})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrExpired):
		return errors.New("service account token has expired")
	case errors.Is(err, jwt.ErrNotValidYet):
		return errors.New("service account token is not valid yet")
	case errors.Is(err, jwt.ErrIssuedInTheFuture):
		return errors.New("service account token is issued in the future")
	}
	return errors.New("service account token claims could not be validated due to unexpected validation error")
}

var errInvalidated = errors.New("service account token has been invalidated")

// checkObjects wants the account and what the token is bound to, by name and
// uid, and not deleted for longer than clocks may differ.
func (a *Authenticator) checkObjects(ctx context.Context, k *boundClaims) error {
	account, err := a.o.Lookup.Meta(ctx, "serviceaccounts", k.Namespace, k.Account.Name)
	if err != nil {
		return err
	}
	if deleted(account.DeletionTimestamp, a.o.Now()) {
		return fmt.Errorf("service account %s/%s has been deleted", k.Namespace, k.Account.Name)
	}
	if string(account.UID) != k.Account.UID {
		return fmt.Errorf("service account UID (%s) does not match claim (%s)", account.UID, k.Account.UID)
	}
	if k.Secret != nil {
		if err := a.checkBound(ctx, "secrets", "secret", k.Namespace, *k.Secret); err != nil {
			return err
		}
	}
	switch {
	case k.Pod != nil: // the node is the pod's, for information only
		return a.checkBound(ctx, "pods", "pod", k.Namespace, *k.Pod)
	case k.Node != nil:
		return a.checkBound(ctx, "nodes", "node", "", *k.Node)
	}
	return nil
}

func (a *Authenticator) checkBound(ctx context.Context, resource, what, namespace string, want ref) error {
	o, err := a.o.Lookup.Meta(ctx, resource, namespace, want.Name)
	if err != nil {
		klog.V(4).InfoS("What a token is bound to cannot be read", "resource", resource, "namespace", namespace, "name", want.Name, "err", err)
		return errInvalidated
	}
	if resource != "nodes" && deleted(o.DeletionTimestamp, a.o.Now()) {
		return errInvalidated
	}
	if string(o.UID) != want.UID {
		return fmt.Errorf("%s UID (%s) does not match service account %s ref claim (%s)", what, o.UID, what, want.UID)
	}
	return nil
}

// deleted tells an object that was deleted, and not only a moment ago: clocks
// may differ by a minute.
func deleted(at *metav1.Time, now time.Time) bool {
	return at != nil && at.Time.Before(now.Add(-jwt.DefaultLeeway))
}
