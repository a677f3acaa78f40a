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
	users map[[sha256.Size]byte]*request.User
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
	t := &TokenFile{users: map[[sha256.Size]byte]*request.User{}}
	rand.Read(t.salt[:]) //nolint:errcheck // never fails
	records := csv.NewReader(from)
	records.FieldsPerRecord = -1
	records.TrimLeadingSpace = true
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, withoutContent(err)
		}
		line, _ := records.FieldPos(0)
		if len(record) < 3 {
			return nil, fmt.Errorf("line %d: token, user name and user uid are needed, found %d fields", line, len(record))
		}
		if record[0] == "" {
			klog.InfoS("Empty token in the token file is left out", "line", line)
			continue
		}
		if !t.add(record) {
			klog.InfoS("Token is in the token file twice, the last line counts", "line", line)
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

// add takes a line in and tells whether its token is new.
func (t *TokenFile) add(record []string) bool {
	user := &request.User{Name: record[1], UID: record[2]}
	if len(record) > 3 && record[3] != "" {
		for group := range strings.SplitSeq(record[3], ",") {
			if group = strings.TrimSpace(group); group != "" {
				user.Groups = append(user.Groups, group)
			}
		}
	}
	key := t.key(record[0])
	_, twice := t.users[key]
	// The group of all authenticated users is added here, once.
	t.users[key] = addAuthenticated(user)
	return !twice
}

func (t *TokenFile) key(token string) [sha256.Size]byte {
	b := make([]byte, 0, 256)
	return sha256.Sum256(append(append(b, t.salt[:]...), token...))
}

// AuthenticateToken looks a token up.
func (t *TokenFile) AuthenticateToken(_ context.Context, token string) (*request.User, error) {
	return t.users[t.key(token)], nil
}
