package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
)

// Box encrypts what a browser keeps for the server, with a key of this process.
type Box struct{ key string }

// NewBox gives a Box with a new key.
func NewBox() *Box { return &Box{newSecret()} }

// Seal gives text as a cookie's value.
func (b *Box) Seal(text string) string {
	return base64.RawURLEncoding.EncodeToString(seal(b.key, text))
}

// Open gives what was sealed, empty for anything that this Box did not seal.
func (b *Box) Open(value string) string {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return ""
	}
	return unseal(b.key, raw)
}

// Equal compares secrets in constant time.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// seal encrypts a token with a key that is made from the session's secret.
func seal(secret, token string) []byte {
	aead := sealer(secret)
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) //nolint:errcheck // crypto/rand never fails
	return aead.Seal(nonce, nonce, []byte(token), nil)
}

func unseal(secret string, sealed []byte) string {
	aead := sealer(secret)
	if len(sealed) < aead.NonceSize() {
		return ""
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return ""
	}
	return string(plain)
}

func sealer(secret string) cipher.AEAD {
	block, err := aes.NewCipher(derive(secret, "token"))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return aead
}
