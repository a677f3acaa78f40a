package pki

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"time"
)

// RequestOptions are what a certificate gets that its request does not decide.
type RequestOptions struct {
	KeyUsage            x509.KeyUsage
	ExtKeyUsage         []x509.ExtKeyUsage
	NotBefore, NotAfter time.Time
}

// SignRequest makes the certificate that a request asks for: its subject, its
// alternative names and its key, and nothing else of it. The certificate ends
// with the authority's at the latest, and is that of no authority.
func (ca *KeyPair) SignRequest(r *x509.CertificateRequest, o RequestOptions) (certPEM []byte, err error) {
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	notAfter := earlier(o.NotAfter, ca.Cert.NotAfter)
	if !notAfter.After(o.NotBefore) {
		return nil, errors.New("the signer has expired")
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               r.Subject,
		DNSNames:              r.DNSNames,
		IPAddresses:           r.IPAddresses,
		EmailAddresses:        r.EmailAddresses,
		URIs:                  r.URIs,
		NotBefore:             o.NotBefore.UTC(),
		NotAfter:              notAfter.UTC(),
		KeyUsage:              o.KeyUsage,
		ExtKeyUsage:           o.ExtKeyUsage,
		BasicConstraintsValid: true,
	}, ca.Cert, r.PublicKey, ca.Key)
	if err != nil {
		return nil, err
	}
	return encodeCert(der), nil
}
