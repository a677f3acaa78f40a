package authn

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"pilothouse/backend/request"

	"golang.org/x/crypto/bcrypt"
	"k8s.io/klog/v2"
)

// errInvalidPassword is the same for a wrong password and a wrong name.
var errInvalidPassword = errors.New("invalid username/password combination")

// Basic reads user name and password of the Authorization header and asks
// passwords about them as one token, NAME:PASSWORD. A header of this scheme that
// cannot be read is none, as in Kubernetes.
func Basic(passwords TokenAuthenticator) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		credentials, ok := basicCredentials(r.Header.Get("Authorization"))
		if !ok {
			return nil, nil
		}
		id, err := passwords.AuthenticateToken(ctx, credentials, nil)
		if err != nil {
			return nil, err
		}
		if id == nil {
			return nil, errInvalidPassword
		}
		return id.User, nil
	})
}

// basicCredentials gives the decoded credentials of a header (RFC 7617).
func basicCredentials(header string) (string, bool) {
	const scheme = "Basic "
	if !request.HasPrefixFold(header, scheme) {
		return "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(header[len(scheme):])
	if err != nil || !strings.Contains(string(decoded), ":") {
		return "", false
	}
	return string(decoded), true
}

// PasswordFile knows the passwords of a CSV file: password, user name, user id
// and, quoted, a comma-separated list of groups. A password is a bcrypt hash, or
// clear text as in kube-apiserver's file of old. The file is read once. Of
// passwords in clear text only salted hashes are kept.
type PasswordFile struct {
	tokens *TokenFile             // NAME:PASSWORD of clear text
	hashed map[string]hashedLogin // by name
	// slots bounds how many hashes are computed at once: they are slow on
	// purpose, and must not take all processors.
	slots chan struct{}
	// nobody is a hash for names that do not exist, which take as long.
	nobody []byte
}

// maxCost bounds the cost of hashes: each step doubles the time, 16 takes
// seconds.
const maxCost = 16

type hashedLogin struct {
	hash []byte
	id   *Identity
}

// OpenPasswordFile reads a file of passwords. An error names the file and the
// line. Put a Cache before it: a hash takes a tenth of a second.
func OpenPasswordFile(path string) (*PasswordFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := readPasswords(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return p, nil
}

func readPasswords(from io.Reader) (*PasswordFile, error) {
	p := &PasswordFile{tokens: newTokenFile(), hashed: map[string]hashedLogin{}, slots: make(chan struct{}, 2)}
	err := readLogins(from, "password, user name and user uid", func(line int, password string, user *request.User) error {
		if strings.Contains(user.Name, ":") {
			return errors.New("a user name cannot have a colon")
		}
		if cost, err := bcrypt.Cost([]byte(password)); err == nil {
			if cost > maxCost {
				return fmt.Errorf("a bcrypt cost of %d takes too long, at most %d is taken", cost, maxCost)
			}
			if _, twice := p.hashed[user.Name]; twice {
				klog.InfoS("User is in the password file twice, the last line counts", "line", line)
			}
			p.hashed[user.Name] = hashedLogin{[]byte(password), &Identity{User: addAuthenticated(user)}}
			return p.needHash(cost)
		}
		if strings.HasPrefix(password, "$2") {
			return errors.New("the password looks like a bcrypt hash and is none")
		}
		p.tokens.add(user.Name+":"+password, user)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// needHash makes the hash of nobody as slow as the slowest of the file.
func (p *PasswordFile) needHash(cost int) error {
	if have, err := bcrypt.Cost(p.nobody); err == nil && have >= cost {
		return nil
	}
	var err error
	p.nobody, err = bcrypt.GenerateFromPassword([]byte("nobody"), cost)
	return err
}

// AuthenticateToken looks NAME:PASSWORD up.
func (p *PasswordFile) AuthenticateToken(ctx context.Context, credentials string, _ []string) (*Identity, error) {
	if id, err := p.tokens.AuthenticateToken(ctx, credentials, nil); id != nil || err != nil {
		return id, err
	}
	if len(p.hashed) == 0 {
		return nil, nil
	}
	name, password, _ := strings.Cut(credentials, ":")
	login, exists := p.hashed[name]
	if !exists {
		login.hash = p.nobody
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if bcrypt.CompareHashAndPassword(login.hash, shortened(password)) != nil || !exists {
		return nil, nil
	}
	return login.id, nil
}

// shortened keeps bcrypt from refusing passwords of more than 72 bytes at once,
// which would tell their length; such a password matches no hash anyway.
func shortened(password string) []byte {
	if len(password) <= 72 {
		return []byte(password)
	}
	sum := sha256.Sum256([]byte(password))
	return sum[:]
}
