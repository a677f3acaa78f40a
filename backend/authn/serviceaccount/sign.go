package serviceaccount

import (
	"errors"

	"github.com/go-jose/go-jose/v4/jwt"
)

// Sign gives a token of an issuer with these claims.
func (k *Keys) Sign(issuer string, c *Claims) (string, error) {
	set := k.current.Load()
	if set == nil {
		return "", errors.New("no key to sign tokens of service accounts with")
	}
	signed := *c
	signed.Issuer = issuer
	return jwt.Signed(set.signer).Claims(&signed).Serialize()
}

// SignLegacy gives the token of a secret of the type
// kubernetes.io/service-account-token, which does not expire.
func (k *Keys) SignLegacy(c *LegacyClaims) (string, error) {
	set := k.current.Load()
	if set == nil {
		return "", errors.New("no key to sign tokens of service accounts with")
	}
	return jwt.Signed(set.signer).Claims(jwt.Claims{Issuer: LegacyIssuer, Subject: Username(c.Namespace, c.Account)}).Claims(c).Serialize()
}
