// Package pki owns the server's certificates and keys: its own authority, the
// serving certificate, the key pair of service account tokens and the
// administrator's client certificate. They are made at the first start, read
// again when their files change and renewed before they expire. It imports
// nothing of the server. Read pki.go first, then serving.go and kubeconfig.go.
package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Lifetimes. What is closer to its end than a third of its life is renewed.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
)

// PKI is a folder of certificates and keys:
//
//	ca.crt ca.key                  the authority of everything below
//	apiserver.crt apiserver.key    the serving certificate
//	admin.crt admin.key            client certificate, O=system:masters
//	apiserver-kubelet-client.*     client certificate for kubelets, when no other is given
//	sa.key sa.pub                  signs and checks service account tokens
//	front-proxy-ca.crt .key        the authority of front-proxy-client, and of nothing else
//	front-proxy-client.crt .key    by which aggregated API servers know this one
type PKI struct {
	dir string
	now func() time.Time
	// CA signs the certificates of this server.
	CA *KeyPair
	// Admin is the client certificate of the administrator.
	Admin *KeyPair
	// ServiceAccountKey signs service account tokens.
	ServiceAccountKey *ecdsa.PrivateKey
	// FrontProxyCA and FrontProxy are the authority and the certificate by which
	// aggregated API servers know that a request comes through this server, and
	// believe what it says about the user. The authority signs nothing else:
	// nobody else could get such a certificate from it.
	FrontProxyCA, FrontProxy *KeyPair
}

// FrontProxyName is the common name of FrontProxy.
const FrontProxyName = "front-proxy-client"

// KeyPair is a certificate with its key, parsed and as PEM.
type KeyPair struct {
	Cert    *x509.Certificate
	Key     *ecdsa.PrivateKey
	CertPEM []byte
	KeyPEM  []byte
}

// Open reads a folder, or makes it and what is missing in it. An authority that
// is there is never replaced: everything that clients trust hangs on it.
func Open(dir string, now func() time.Time) (*PKI, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &PKI{dir: dir, now: now}
	var err error
	if p.CA, err = p.authority("ca", "pilothouse-ca"); err != nil {
		return nil, err
	}
	if p.Admin, err = p.Client("admin", "kubernetes-admin", "system:masters"); err != nil {
		return nil, err
	}
	if p.ServiceAccountKey, err = p.serviceAccountKey(); err != nil {
		return nil, err
	}
	if p.FrontProxyCA, err = p.authority("front-proxy-ca", "pilothouse-front-proxy-ca"); err != nil {
		return nil, err
	}
	if p.FrontProxy, err = p.leaf(p.FrontProxyCA, "front-proxy-client", clientSpec(FrontProxyName)); err != nil {
		return nil, err
	}
	return p, nil
}

// Client gives the client certificate NAME.crt of the folder for a user and its
// groups. It is made when it is missing, near its end or somebody else's.
func (p *PKI) Client(name, user string, groups ...string) (*KeyPair, error) {
	return p.leaf(p.CA, name, clientSpec(user, groups...))
}

// Path gives the path of a file of the folder.
func (p *PKI) Path(name string) string { return filepath.Join(p.dir, name) }

func (p *PKI) authority(file, name string) (*KeyPair, error) {
	pair, err := readPair(p.Path(file+".crt"), p.Path(file+".key"))
	switch {
	case err == nil:
		if !pair.Cert.IsCA {
			return nil, fmt.Errorf("%s is not the certificate of an authority", p.Path(file+".crt"))
		}
		if p.now().After(pair.Cert.NotAfter) {
			return nil, fmt.Errorf("%s has expired: move it and its key away and start again for a new one", p.Path(file+".crt"))
		}
		return pair, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if pair, err = makeAuthority(name, p.now()); err != nil {
		return nil, err
	}
	return pair, p.write(file, pair)
}

// leaf reads a certificate, or makes it when it is missing, near its end, of
// another authority, or not for what the spec says.
func (p *PKI) leaf(ca *KeyPair, name string, t certSpec) (*KeyPair, error) {
	pair, err := readPair(p.Path(name+".crt"), p.Path(name+".key"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && p.now().Before(renewAt(pair.Cert)) && pair.Cert.CheckSignatureFrom(ca.Cert) == nil {
		if t.covers(pair.Cert) {
			return pair, nil
		}
		t = t.with(pair.Cert) // other servers use the folder too, and have addresses of their own
	}
	if pair, err = ca.sign(t, p.now()); err != nil {
		return nil, err
	}
	return pair, p.write(name, pair)
}

// renewAt is when two thirds of a certificate's life are over.
func renewAt(c *x509.Certificate) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	return c.NotAfter.Add(-life / 3)
}

func (p *PKI) write(name string, pair *KeyPair) error {
	if err := WriteFile(p.Path(name+".key"), pair.KeyPEM, 0o600); err != nil {
		return err
	}
	return WriteFile(p.Path(name+".crt"), pair.CertPEM, 0o644)
}

func (p *PKI) serviceAccountKey() (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(p.Path("sa.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return p.makeServiceAccountKey()
	}
	if err != nil {
		return nil, err
	}
	key, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.Path("sa.key"), err)
	}
	return key, nil
}

func (p *PKI) makeServiceAccountKey() (*ecdsa.PrivateKey, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	private, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	public, err := encodePublic(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := WriteFile(p.Path("sa.key"), private, 0o600); err != nil {
		return nil, err
	}
	return key, WriteFile(p.Path("sa.pub"), public, 0o644)
}

// WriteFile writes a file so that a reader sees the old or the new content and
// never a part, with exactly these permissions.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Chmod(mode); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the first error is the one to tell
	}
	return err
}
