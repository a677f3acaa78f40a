package sealed

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/nacl/secretbox"
)

// identity leaves values as they are.
type identity struct{}

func (identity) Prefix() string { return "" }
func (identity) Label() string  { return plainLabel }

func (identity) Seal(_ context.Context, _ string, plain []byte) ([]byte, error) { return plain, nil }

func (identity) Open(_ context.Context, _ string, sealed []byte) ([]byte, string, error) {
	return sealed, plainLabel, nil
}

// keyed is a provider with a key of the configuration.
type keyed struct {
	prefix string // k8s:enc:CIPHER:v1:KEY NAME:
	seal   func(plain, key []byte) ([]byte, error)
	open   func(sealed, key []byte) ([]byte, error)
}

func (k *keyed) Prefix() string { return k.prefix }
func (k *keyed) Label() string  { return k.prefix }

func (k *keyed) Seal(_ context.Context, key string, plain []byte) ([]byte, error) {
	return k.seal(plain, []byte(key))
}

func (k *keyed) Open(_ context.Context, key string, sealed []byte) ([]byte, string, error) {
	plain, err := k.open(sealed, []byte(key))
	return plain, k.prefix, err
}

// errDamaged says no more than it is: why a value does not open is of use to
// attackers only.
var errDamaged = errors.New("it was sealed with another key, for another object, or is damaged")

// newAESGCM seals with AES in Galois/Counter Mode (NIST SP 800-38D): a random
// nonce of 12 bytes before the text, the object's key authenticated with it.
func newAESGCM(name string, secret []byte) (Provider, error) {
	a, err := newAEAD(secret)
	if err != nil {
		return nil, err
	}
	return &keyed{
		prefix: sealedPrefix + "aesgcm:v1:" + name + ":",
		seal: func(plain, key []byte) ([]byte, error) {
			nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(plain)+a.Overhead())
			rand.Read(nonce)
			return a.Seal(nonce, nonce, plain, key), nil
		},
		open: func(sealed, key []byte) ([]byte, error) { return openAEAD(a, sealed, key) },
	}, nil
}

func newAEAD(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func openAEAD(a cipher.AEAD, sealed, key []byte) ([]byte, error) {
	n := a.NonceSize()
	if len(sealed) < n {
		return nil, errDamaged
	}
	plain, err := a.Open(nil, sealed[:n], sealed[n:], key)
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

// newAESCBC seals with AES in Cipher Block Chaining and the padding of PKCS #7,
// a random initialization vector of 16 bytes before the text. It authenticates
// nothing, as in Kubernetes, which advises against it.
func newAESCBC(name string, secret []byte) (Provider, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	const size = aes.BlockSize
	return &keyed{
		prefix: sealedPrefix + "aescbc:v1:" + name + ":",
		seal: func(plain, _ []byte) ([]byte, error) {
			pad := size - len(plain)%size
			out := make([]byte, size, size+len(plain)+pad)
			rand.Read(out)
			out = append(append(out, plain...), bytes.Repeat([]byte{byte(pad)}, pad)...)
			cipher.NewCBCEncrypter(block, out[:size]).CryptBlocks(out[size:], out[size:])
			return out, nil
		},
		open: func(sealed, _ []byte) ([]byte, error) {
			if len(sealed) < 2*size || len(sealed)%size != 0 {
				return nil, errDamaged
			}
			plain := make([]byte, len(sealed)-size)
			cipher.NewCBCDecrypter(block, sealed[:size]).CryptBlocks(plain, sealed[size:])
			pad := int(plain[len(plain)-1])
			if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
				return nil, errDamaged
			}
			return plain[:len(plain)-pad], nil
		},
	}, nil
}

// newSecretbox seals with XSalsa20 and Poly1305 (https://nacl.cr.yp.to/secretbox.html),
// a random nonce of 24 bytes before the text.
func newSecretbox(name string, secret []byte) (Provider, error) {
	if len(secret) != 32 {
		return nil, errors.New("a key of secretbox has 32 bytes")
	}
	with := [32]byte(secret)
	return &keyed{
		prefix: sealedPrefix + "secretbox:v1:" + name + ":",
		seal: func(plain, _ []byte) ([]byte, error) {
			var nonce [24]byte
			rand.Read(nonce[:])
			return secretbox.Seal(nonce[:], plain, &nonce, &with), nil
		},
		open: func(sealed, _ []byte) ([]byte, error) {
			if len(sealed) < 24 {
				return nil, errDamaged
			}
			nonce := [24]byte(sealed)
			plain, ok := secretbox.Open(nil, sealed[24:], &nonce, &with)
			if !ok {
				return nil, errDamaged
			}
			return plain, nil
		},
	}, nil
}
