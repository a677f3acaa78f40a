package authn

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"
)

// Roots gives the certificate authorities of client certificates and the
// generation of this set, which grows when it changes.
type Roots func() (pool *x509.CertPool, generation uint64)

// ClientCertificate takes the subject of a verified client certificate for the
// user: the common name, the organizations as groups. A certificate is verified
// once per connection, and again when the authorities have changed or one of
// its chain has expired.
func ClientCertificate(roots Roots, now func() time.Time) Authenticator {
	check := checker{roots: roots, now: now, kept: func(c *certificates) *atomic.Pointer[verified] { return &c.client }}
	return Func(func(_ context.Context, r *request.Request) (*request.User, error) {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			certificateLife.Observe(r.TLS.PeerCertificates[0].NotAfter.Sub(now()).Seconds())
		}
		v, err := check.of(r)
		if v == nil || err != nil {
			return nil, err
		}
		return v.user, nil
	})
}

// certificates is what is remembered about the certificate of a connection: as
// that of a user and as that of a front proxy.
type certificates struct{ client, proxy atomic.Pointer[verified] }

// verified is a certificate that was found good. user is nil when it names
// nobody.
type verified struct {
	cert       *x509.Certificate
	user       *request.User
	generation uint64
	until      time.Time
}

// checker verifies the certificate of a connection against one set of
// authorities.
type checker struct {
	roots Roots
	now   func() time.Time
	// kept is where the outcome is remembered.
	kept func(*certificates) *atomic.Pointer[verified]
}

// of gives the verified certificate of a request's connection, nil when it
// shows none.
func (c *checker) of(r *request.Request) (*verified, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	pool, generation := c.roots()
	var kept *atomic.Pointer[verified]
	if r.Conn != nil {
		kept = c.kept(certificatesOf(r.Conn))
		if v := kept.Load(); v != nil && v.generation == generation && c.now().Before(v.until) {
			return v, nil
		}
	}
	v, err := verify(r.TLS.PeerCertificates, pool, c.now())
	if err != nil {
		return nil, err
	}
	v.generation = generation
	if kept != nil {
		kept.Store(v)
	}
	return v, nil
}

func certificatesOf(conn *request.Conn) *certificates {
	c, ok := conn.Remembered().(*certificates)
	if !ok {
		c = &certificates{}
		conn.Remember(c)
	}
	return c
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (*verified, error) {
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if roots == nil {
		options.Roots = x509.NewCertPool() // nil would mean the authorities of the system
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	chains, err := chain[0].Verify(options)
	if err != nil {
		return nil, fmt.Errorf("verifying certificate SN=%d, SKID=%s, AKID=%s failed: %w",
			chain[0].SerialNumber, colons(chain[0].SubjectKeyId), colons(chain[0].AuthorityKeyId), err)
	}
	v := &verified{cert: chain[0], until: chain[0].NotAfter}
	for _, c := range chains[0] {
		if c.NotAfter.Before(v.until) {
			v.until = c.NotAfter
		}
	}
	if v.user, err = userOf(chain[0]); err != nil {
		return nil, err
	}
	if v.user != nil {
		v.user = addAuthenticated(v.user)
	}
	return v, nil
}

// colons writes a key id as certificate tools do: AB:CD.
func colons(id []byte) string {
	parts := make([]string, len(id))
	for i, b := range id {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// CredentialID is the key of a user's extra that names the credential.
const CredentialID = "authentication.kubernetes.io/credential-id"

// uidAttribute is the subject attribute that Kubernetes reads a user's UID from.
var uidAttribute = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}

func userOf(c *x509.Certificate) (*request.User, error) {
	if c.Subject.CommonName == "" {
		return nil, nil
	}
	uid, err := uidOf(c)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(c.Raw)
	return &request.User{
		Name: c.Subject.CommonName, UID: uid, Groups: c.Subject.Organization,
		Extra: map[string][]string{CredentialID: {"X509SHA256=" + hex.EncodeToString(sum[:])}},
	}, nil
}

func uidOf(c *x509.Certificate) (string, error) {
	var uids []string
	for _, name := range c.Subject.Names {
		if !name.Type.Equal(uidAttribute) {
			continue
		}
		uid, ok := name.Value.(string)
		if !ok {
			return "", errors.New("unable to parse UID into a string")
		}
		uids = append(uids, uid)
	}
	switch {
	case len(uids) == 0:
		return "", nil
	case len(uids) > 1:
		return "", fmt.Errorf("expected 1 UID, but found multiple: %v", uids)
	case uids[0] == "":
		return "", errors.New("UID cannot be an empty string")
	}
	return uids[0], nil
}
