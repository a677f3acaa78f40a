package authn

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"time"

	"pilothouse/backend/request"
)

// Roots gives the certificate authorities of client certificates and the
// generation of this set, which grows when it changes.
type Roots func() (pool *x509.CertPool, generation uint64)

// ClientCertificate takes the subject of a verified client certificate for the
// user: the common name, the organizations as groups. A certificate is verified
// once per connection, and again when the authorities have changed.
func ClientCertificate(roots Roots, now func() time.Time) Authenticator {
	return Func(func(_ context.Context, r *request.Request) (*request.User, error) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return nil, nil
		}
		pool, generation := roots()
		if r.Conn != nil {
			if v, ok := r.Conn.Remembered().(*verified); ok && v.generation == generation && now().Before(v.until) {
				return v.user, nil
			}
		}
		v, err := verify(r.TLS.PeerCertificates, pool, now())
		if err != nil {
			return nil, err
		}
		v.generation = generation
		if r.Conn != nil {
			r.Conn.Remember(v)
		}
		return v.user, nil
	})
}

// verified is a certificate that was found good. user is nil when it names
// nobody.
type verified struct {
	user       *request.User
	generation uint64
	until      time.Time
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (*verified, error) {
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := chain[0].Verify(options)
	if err != nil {
		return nil, fmt.Errorf("verifying certificate SN=%d, SKID=%X, AKID=%X failed: %w",
			chain[0].SerialNumber, chain[0].SubjectKeyId, chain[0].AuthorityKeyId, err)
	}
	v := &verified{until: chain[0].NotAfter}
	for _, c := range chains[0] {
		if c.NotAfter.Before(v.until) {
			v.until = c.NotAfter
		}
	}
	if v.user = userOf(chain[0]); v.user != nil {
		v.user = addAuthenticated(v.user)
	}
	return v, nil
}

// uidAttribute is the subject attribute that Kubernetes reads a user's UID from.
var uidAttribute = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}

func userOf(c *x509.Certificate) *request.User {
	if c.Subject.CommonName == "" {
		return nil
	}
	sum := sha256.Sum256(c.Raw)
	user := &request.User{
		Name:   c.Subject.CommonName,
		Groups: c.Subject.Organization,
		Extra: map[string][]string{
			"authentication.kubernetes.io/credential-id": {"X509SHA256=" + hex.EncodeToString(sum[:])},
		},
	}
	for _, name := range c.Subject.Names {
		if uid, ok := name.Value.(string); ok && name.Type.Equal(uidAttribute) {
			user.UID = uid
		}
	}
	return user
}
