package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

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
