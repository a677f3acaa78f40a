// Package serviceaccount owns the tokens of service accounts: JSON Web Tokens
// that this server signs, checks and tells others how to check. Read keys.go
// first, then claims.go, authenticator.go and discovery.go.
package serviceaccount

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
)

// algorithms are those that tokens of service accounts can be signed with. They
// are asymmetric, so that no public key can be taken for a secret one.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// KeyOptions say where keys come from.
type KeyOptions struct {
	// Signing is the private key that tokens are signed with.
	Signing crypto.Signer
	// SigningFile holds it in PEM form instead.
	SigningFile string
	// Files hold keys that tokens may be signed with, public or private, several
	// in a file. The signing key is always one.
	Files []string
}

// Keys are the keys of tokens. They follow their files.
type Keys struct {
	o       KeyOptions
	current atomic.Pointer[keySet]

	mu   sync.Mutex // guards read
	read [][]byte   // what the files held last
}

// keySet is one state of the keys.
type keySet struct {
	signer jose.Signer
	all    []publicKey
	byID   map[string][]publicKey
}

type publicKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       crypto.PublicKey
}

// OpenKeys reads keys. Errors name the file.
func OpenKeys(o KeyOptions) (*Keys, error) {
	k := &Keys{o: o}
	_, err := k.load()
	return k, err
}

// Refresh reads files that have changed: tokens of a key that was added are good
// from now on, those of one that is gone are not. Files that cannot be used are
// logged, and the keys before stay.
func (k *Keys) Refresh() {
	changed, err := k.load()
	switch {
	case err != nil:
		klog.ErrorS(err, "Keys of service account tokens cannot be used, those before stay")
	case changed:
		klog.InfoS("Keys of service account tokens loaded", "keys", len(k.current.Load().all))
	}
}

// load reads the files and tells whether they hold something else than before.
func (k *Keys) load() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	files := k.o.Files
	if k.o.SigningFile != "" {
		files = append([]string{k.o.SigningFile}, files...)
	}
	content := make([][]byte, len(files))
	for i, name := range files {
		if content[i], err = os.ReadFile(name); err != nil {
			return false, err
		}
	}
	if k.current.Load() != nil && slices.EqualFunc(k.read, content, bytes.Equal) {
		return false, nil
	}
	set, err := k.parse(files, content)
	if err != nil {
		return false, err
	}
	k.read = content
	k.current.Store(set)
	return true, nil
}

func (k *Keys) parse(files []string, content [][]byte) (*keySet, error) {
	signing := k.o.Signing
	if k.o.SigningFile != "" {
		key, err := keyutil.ParsePrivateKeyPEM(content[0])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", files[0], err)
		}
		var ok bool
		if signing, ok = key.(crypto.Signer); !ok {
			return nil, fmt.Errorf("read %s: a key that cannot sign", files[0])
		}
		files, content = files[1:], content[1:]
	}
	if signing == nil {
		return nil, errors.New("no key to sign tokens of service accounts with")
	}
	set := &keySet{byID: map[string][]publicKey{}}
	if err := set.add(signing.Public()); err != nil {
		return nil, err
	}
	for i, name := range files {
		keys, err := keyutil.ParsePublicKeysPEM(content[i])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, key := range keys {
			if err := set.add(key); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
		}
	}
	return set, set.signWith(signing)
}

// add takes a public key in, once.
func (s *keySet) add(key crypto.PublicKey) error {
	algorithm, err := algorithmOf(key)
	if err != nil {
		return err
	}
	id, err := keyID(key)
	if err != nil {
		return err
	}
	if len(s.byID[id]) > 0 {
		return nil
	}
	p := publicKey{id, algorithm, key}
	s.all = append(s.all, p)
	s.byID[id] = append(s.byID[id], p)
	return nil
}

// signWith makes the signer; the key is the first of the set.
func (s *keySet) signWith(key crypto.Signer) (err error) {
	p := s.all[0]
	s.signer, err = jose.NewSigner(jose.SigningKey{
		Algorithm: p.algorithm,
		Key:       &jose.JSONWebKey{Algorithm: string(p.algorithm), Key: key, KeyID: p.id, Use: "sig"},
	}, nil)
	return err
}

// candidates are the keys that a token with this key id may be signed with.
func (s *keySet) candidates(id string) []publicKey {
	if id == "" {
		return s.all
	}
	return s.byID[id]
}

func algorithmOf(key crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return jose.RS256, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return jose.ES256, nil
		case elliptic.P384():
			return jose.ES384, nil
		case elliptic.P521():
			return jose.ES512, nil
		}
		return "", errors.New("a key of an unknown curve, it must be P-256, P-384 or P-521")
	}
	return "", fmt.Errorf("a key of an unknown type %T, it must be RSA or ECDSA", key)
}

// keyID derives the id of a key from the key, so that it cannot be turned back.
func keyID(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
