package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// certSpec says what a certificate is to be good for.
type certSpec struct {
	subject pkix.Name
	usage   x509.ExtKeyUsage
	names   []string
	ips     []net.IP
}

func clientSpec(user string, groups ...string) certSpec {
	return certSpec{subject: pkix.Name{CommonName: user, Organization: groups}, usage: x509.ExtKeyUsageClientAuth}
}

// covers tells whether a certificate is good for all that the spec wants.
func (t certSpec) covers(c *x509.Certificate) bool {
	if c.Subject.CommonName != t.subject.CommonName || !slices.Equal(c.Subject.Organization, t.subject.Organization) {
		return false
	}
	if !slices.Contains(c.ExtKeyUsage, t.usage) {
		return false
	}
	for _, n := range t.names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	for _, ip := range t.ips {
		if !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// maxNames bounds the names and addresses that a certificate is good for.
const maxNames = 100

// with gives a spec that a certificate's names and addresses are added to, unless
// they are too many or it is for something else.
func (t certSpec) with(c *x509.Certificate) certSpec {
	if same := (certSpec{subject: t.subject, usage: t.usage}); !same.covers(c) || len(c.DNSNames)+len(c.IPAddresses) > maxNames {
		return t
	}
	t.names, t.ips = slices.Clone(t.names), slices.Clone(t.ips)
	for _, n := range c.DNSNames {
		if !slices.Contains(t.names, n) {
			t.names = append(t.names, n)
		}
	}
	for _, ip := range c.IPAddresses {
		if !slices.ContainsFunc(t.ips, ip.Equal) {
			t.ips = append(t.ips, ip)
		}
	}
	return t
}

func makeAuthority(name string, now time.Time) (*KeyPair, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour).UTC(),
		NotAfter:              now.Add(authorityLife).UTC(),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyID(key),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return newPair(der, key)
}

// sign makes a certificate. It begins an hour early, for clocks that are late.
func (ca *KeyPair) sign(t certSpec, now time.Time) (*KeyPair, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               t.subject,
		NotBefore:             now.Add(-time.Hour).UTC(),
		NotAfter:              earlier(now.Add(leafLife), ca.Cert.NotAfter).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{t.usage},
		BasicConstraintsValid: true,
		DNSNames:              t.names,
		IPAddresses:           t.ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Cert, &key.PublicKey, ca.Key)
	if err != nil {
		return nil, err
	}
	return newPair(der, key)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

func keyID(key *ecdsa.PrivateKey) []byte {
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(public)
	return sum[:20]
}

func newPair(der []byte, key *ecdsa.PrivateKey) (*KeyPair, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &KeyPair{Cert: cert, Key: key, CertPEM: encodeCert(der), KeyPEM: keyPEM}, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func encodePublic(key *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// readPair reads a certificate and its key, which must belong together. A file
// that is missing gives fs.ErrNotExist.
func readPair(certPath, keyPath string) (*KeyPair, error) {
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("read %s: no certificate in PEM form", certPath)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", certPath, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", keyPath, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", keyPath, certPath)
	}
	return &KeyPair{Cert: cert, Key: key, CertPEM: certPEM, KeyPEM: keyPEM}, nil
}

// parseKey reads an ECDSA key in the form that this package writes, or PKCS #8.
func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("no key in PEM form")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("no private key that can be read")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not ECDSA")
	}
	return ec, nil
}
