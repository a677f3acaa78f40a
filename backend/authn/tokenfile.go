package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// TokenFile knows the tokens of a CSV file: token, user name, user id and,
// quoted, a comma-separated list of groups. The file is read once, as in
// Kubernetes. Tokens are kept and looked up as keyed hashes, so neither the
// time that a look-up takes nor a core dump tells one.
type TokenFile struct {
	salt  [32]byte
	users map[[sha256.Size]byte]*Identity
}

func newTokenFile() *TokenFile {
	t := &TokenFile{users: map[[sha256.Size]byte]*Identity{}}
	rand.Read(t.salt[:]) //nolint:errcheck // never fails
	return t
}

// OpenTokenFile reads a file of tokens. An error names the file and the line.
func OpenTokenFile(path string) (*TokenFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := readTokens(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return t, nil
}

func readTokens(from io.Reader) (*TokenFile, error) {
	t := newTokenFile()
	err := readLogins(from, "token, user name and user uid", func(line int, token string, user *request.User) error {
		if token == "" {
			klog.InfoS("Empty token in the token file is left out", "line", line)
		} else if !t.add(token, user) {
			klog.InfoS("Token is in the token file twice, the last line counts", "line", line)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// readLogins reads a CSV file whose lines begin with a secret. fields says what
// a line needs at least. Errors have line numbers and nothing of the text.
func readLogins(from io.Reader, fields string, add func(line int, secret string, user *request.User) error) error {
	records := csv.NewReader(from)
	records.FieldsPerRecord = -1
	records.TrimLeadingSpace = true
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return withoutContent(err)
		}
		line, _ := records.FieldPos(0)
		if len(record) < 3 {
			return fmt.Errorf("line %d: %s are needed, found %d fields", line, fields, len(record))
		}
		if err := add(line, record[0], userOfRecord(record)); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// withoutContent keeps what csv says and where; it never has the file's text.
func withoutContent(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("line %d: %w", parse.Line, parse.Err)
	}
	return err
}

func userOfRecord(record []string) *request.User {
	user := &request.User{Name: record[1], UID: record[2]}
	if len(record) > 3 && record[3] != "" {
		for group := range strings.SplitSeq(record[3], ",") {
			if group = strings.TrimSpace(group); group != "" {
				user.Groups = append(user.Groups, group)
			}
		}
	}
	return user
}

// add takes a token in and tells whether it is new.
func (t *TokenFile) add(token string, user *request.User) bool {
	key := t.key(token)
	_, twice := t.users[key]
	// The group of all authenticated users is added here, once.
	t.users[key] = &Identity{User: addAuthenticated(user)}
	return !twice
}

func (t *TokenFile) key(token string) [sha256.Size]byte {
	b := make([]byte, 0, 256)
	return sha256.Sum256(append(append(b, t.salt[:]...), token...))
}

// AuthenticateToken looks a token up.
func (t *TokenFile) AuthenticateToken(_ context.Context, token string, _ []string) (*Identity, error) {
	return t.users[t.key(token)], nil
}
