package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"pilothouse/backend/request"
)

type userHash [sha256.Size]byte

// Users gives the same *request.User for equal users, for ways of
// authentication that make a user anew with each request. It is bounded and safe
// for concurrent use; its zero value is ready.
type Users struct {
	mu   sync.Mutex
	salt [32]byte
	all  map[userHash]*request.User
}

// maxUsers bounds Users.
const maxUsers = 4096

// Intern gives a user equal to u, which is not to be changed afterwards.
func (s *Users) Intern(u *request.User) *request.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		rand.Read(s.salt[:]) //nolint:errcheck // never fails
		s.all = map[userHash]*request.User{}
	}
	key := userKey(s.salt[:], u)
	if old := s.all[key]; old != nil {
		return old
	}
	if len(s.all) >= maxUsers {
		clear(s.all)
	}
	s.all[key] = u
	return u
}

func userKey(salt []byte, u *request.User) userHash {
	var room [1024]byte
	b := append(room[:0], salt...)
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	list := func(l []string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(l)))
		for _, s := range l {
			text(s)
		}
	}
	text(u.Name)
	text(u.UID)
	list(u.Groups)
	for _, name := range slices.Sorted(maps.Keys(u.Extra)) {
		text(name)
		list(u.Extra[name])
	}
	return sha256.Sum256(b)
}
