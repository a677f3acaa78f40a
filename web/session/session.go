// Package session owns who uses the dashboard from which browser: the table of
// sessions, the one-time links that begin one, and the tokens that forms carry.
// What a browser holds is a random secret in a cookie; the table, in memory and
// on disk, knows its hash only. It knows neither HTTP nor the API. Read
// session.go first, then table.go and links.go.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"sync"
	"time"

	"pilothouse/backend/request"
)

// secretBytes is the length of secrets, whose text is base64url.
const secretBytes = 32

// Session is one browser's login.
type Session struct {
	// ID names the session without giving it away: the hash of its secret.
	ID string
	// User is who logged in, as they were then.
	User *request.User
	// Method is how the user logged in: "link", "token", "oidc" or
	// "certificate".
	Method string
	// Issuer is the provider of a login by OIDC.
	Issuer  string
	Remote  string
	Agent   string
	Created time.Time
	// Until is when the session ends whatever happens, zero when that is only up
	// to its use and age.
	Until time.Time

	// check is held while the session's credential is checked or renewed.
	check sync.Mutex

	mu sync.Mutex // guards the fields below
	// sealed is the bearer token of the session, sealedRefresh what gets a newer
	// one, both encrypted with the secret that only the browser holds; nil for
	// none.
	sealed, sealedRefresh []byte
	// user is User as the last check of the credential found them.
	user     *request.User
	lastSeen time.Time
	verified time.Time
	done     chan struct{}
	ended    bool
	expired  bool // and not ended by somebody
	as       *request.User
	changed  chan struct{}
}

// As is whom the session's user acts as at the moment, nil for themselves. It
// does not survive a restart of the server.
func (s *Session) As() *request.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.as
}

// ActAs has the session act as someone else, or with nil as its user again.
func (s *Session) ActAs(u *request.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.as = u
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Changed is closed when the session acts as someone else than now. It is to be
// asked for before As.
func (s *Session) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Now is the session's user with the groups that they had at the last check.
func (s *Session) Now() *request.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user != nil {
		return s.user
	}
	return s.User
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Expired tells that the session has ended by its age, by want of use, or because
// its credential is not valid any more: whoever has a newer one may go on.
func (s *Session) Expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}

// LastSeen is when the session was used last.
func (s *Session) LastSeen() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastSeen
}

// VerifiedSince tells whether the session's credential was found valid after t.
func (s *Session) VerifiedSince(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verified.After(t)
}

// Verified notes that the session's credential is valid at t, and whom for.
func (s *Session) Verified(t time.Time, user *request.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified, s.user = t, user
}

// Check runs f while nobody else checks the session.
func (s *Session) Check(f func() bool) bool {
	s.check.Lock()
	defer s.check.Unlock()
	return f()
}

// HasToken tells a session that has a bearer token.
func (s *Session) HasToken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed != nil
}

// Token gives the bearer token of the session, empty when there is none or
// secret is not the session's.
func (s *Session) Token(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return unseal(secret, s.sealed)
}

// Refresh gives what a newer token can be had for, as Token.
func (s *Session) Refresh(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return unseal(secret, s.sealedRefresh)
}

func (s *Session) seal(secret, token, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed, s.sealedRefresh = nil, nil
	if token != "" {
		s.sealed = seal(secret, token)
	}
	if refresh != "" {
		s.sealedRefresh = seal(secret, refresh)
	}
}

func (s *Session) touch(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSeen = now
}

func (s *Session) end(expired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.expired = true, expired
		close(s.done)
	}
}

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) //nolint:errcheck // crypto/rand never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is what is kept of a secret.
func hash(secret string) string {
	sum := sha256.Sum256([]byte("pilothouse session\x00" + secret))
	return hex.EncodeToString(sum[:])
}

func derive(secret, purpose string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// FormToken gives the token that a form of the session carries. It is another
// text every time, so that compression cannot tell it.
func FormToken(secret string) string {
	want := derive(secret, "form")
	out := make([]byte, 2*len(want))
	rand.Read(out[:len(want)]) //nolint:errcheck // crypto/rand never fails
	subtle.XORBytes(out[len(want):], out[:len(want)], want)
	return base64.RawURLEncoding.EncodeToString(out)
}

// CheckFormToken tells whether a form's token is one of the session.
func CheckFormToken(secret, token string) bool {
	want := derive(secret, "form")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 2*len(want) {
		return false
	}
	got := make([]byte, len(want))
	subtle.XORBytes(got, raw[:len(want)], raw[len(want):])
	return hmac.Equal(got, want)
}
