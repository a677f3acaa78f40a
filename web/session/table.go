package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

// Options are what a Table works with.
type Options struct {
	// File keeps sessions over a restart of the server; empty keeps them in
	// memory only.
	File string
	// Idle is how long a session lasts without use, Life how long at most.
	Idle, Life time.Duration
	// Most is how many sessions there are at most; the one used least recently
	// makes room. 0 means DefaultMost.
	Most int
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// What a session lasts unless the options say otherwise.
const (
	DefaultIdle = 12 * time.Hour
	DefaultLife = 7 * 24 * time.Hour
	DefaultMost = 4096
)

// saveInterval is how old the times of last use in the file may be.
const saveInterval = time.Minute

// Table holds the sessions. It is safe for concurrent use.
type Table struct {
	o Options

	mu       sync.Mutex // guards the fields below
	sessions map[string]*Session
	saved    time.Time
}

// Open gives a Table with the sessions that its file holds. A file that cannot
// be read is an error; its sessions that have expired are left out.
func Open(o Options) (*Table, error) {
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	if o.Life == 0 {
		o.Life = DefaultLife
	}
	if o.Most == 0 {
		o.Most = DefaultMost
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	t := &Table{o: o, sessions: map[string]*Session{}}
	if err := t.load(); err != nil {
		return nil, fmt.Errorf("sessions of the dashboard: %w", err)
	}
	return t, nil
}

// Login is how a session begins.
type Login struct {
	User   *request.User
	Method string
	// Token is the bearer token of the methods "token" and "oidc", Refresh what
	// Issuer gives a newer one for.
	Token, Refresh, Issuer string
	Remote, Agent          string
	// Until is when the session ends whatever happens; zero for no such time.
	Until time.Time
}

// Begin makes a session and gives the secret for the browser's cookie.
func (t *Table) Begin(l Login) (secret string, s *Session) {
	secret = newSecret()
	now := t.o.Clock()
	s = &Session{
		ID: hash(secret), User: l.User, Method: l.Method, Issuer: l.Issuer, Remote: l.Remote, Agent: cut(l.Agent, 256),
		Created: now, Until: l.Until, lastSeen: now, verified: now, done: make(chan struct{}),
	}
	s.seal(secret, l.Token, l.Refresh)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.makeRoom(now)
	t.sessions[s.ID] = s
	t.save()
	return secret, s
}

func cut(s string, most int) string { return s[:min(len(s), most)] }

// makeRoom drops what has expired, and when that is nothing the session that
// was not used for longest.
func (t *Table) makeRoom(now time.Time) {
	if len(t.sessions) < t.o.Most {
		return
	}
	var oldest *Session
	for id, s := range t.sessions {
		if t.expired(s, now) {
			t.drop(id, true)
		} else if oldest == nil || s.LastSeen().Before(oldest.LastSeen()) {
			oldest = s
		}
	}
	if len(t.sessions) >= t.o.Most && oldest != nil {
		t.drop(oldest.ID, true)
	}
}

func (t *Table) drop(id string, expired bool) {
	t.sessions[id].end(expired)
	delete(t.sessions, id)
}

func (t *Table) expired(s *Session, now time.Time) bool {
	return now.Sub(s.Created) > t.o.Life || now.Sub(s.LastSeen()) > t.o.Idle || !s.Until.IsZero() && !now.Before(s.Until)
}

// Renew gives a session newer tokens. An empty refresh keeps the one before.
func (t *Table) Renew(s *Session, secret, token, refresh string) {
	if refresh == "" {
		refresh = s.Refresh(secret)
	}
	s.seal(secret, token, refresh)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.save()
}

// Find gives the session of a secret and notes its use; nil when there is none
// or it has expired.
func (t *Table) Find(secret string) *Session {
	if secret == "" {
		return nil
	}
	return t.use(hash(secret))
}

// Alive tells whether a session goes on, and notes its use.
func (t *Table) Alive(s *Session) bool { return t.use(s.ID) == s }

func (t *Table) use(id string) *Session {
	now := t.o.Clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[id]
	if s == nil {
		return nil
	}
	if t.expired(s, now) {
		t.drop(id, true)
		t.save()
		return nil
	}
	s.touch(now)
	if now.Sub(t.saved) > saveInterval {
		t.save()
	}
	return s
}

// End ends a session: whoever holds its secret is nobody from now on, and its
// live connections close.
func (t *Table) End(id string) { t.remove(id, false) }

// Expire does the same to a session whose credential is not valid any more.
func (t *Table) Expire(id string) { t.remove(id, true) }

func (t *Table) remove(id string, expired bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions[id] != nil {
		t.drop(id, expired)
		t.save()
	}
}

// Of gives the sessions of a user, the one used last first.
func (t *Table) Of(user string) []*Session {
	return t.list(func(s *Session) bool { return s.User.Name == user })
}

// All gives everybody's sessions, the one used last first.
func (t *Table) All() []*Session { return t.list(func(*Session) bool { return true }) }

func (t *Table) list(want func(*Session) bool) []*Session {
	now := t.o.Clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Session
	for _, s := range t.sessions {
		if want(s) && !t.expired(s, now) {
			list = append(list, s)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].LastSeen().After(list[j].LastSeen()) })
	return list
}

// stored is a session in the file.
type stored struct {
	ID       string        `json:"id"`
	User     *request.User `json:"user"`
	Method   string        `json:"method"`
	Issuer   string        `json:"issuer,omitempty"`
	Remote   string        `json:"remote,omitempty"`
	Agent    string        `json:"agent,omitempty"`
	Created  time.Time     `json:"created"`
	LastSeen time.Time     `json:"lastSeen"`
	Until    *time.Time    `json:"until,omitempty"`
	Sealed   []byte        `json:"sealed,omitempty"`
	Refresh  []byte        `json:"refresh,omitempty"`
}

func (t *Table) load() error {
	if t.o.File == "" {
		return nil
	}
	raw, err := os.ReadFile(t.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var list []stored
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s: %w", t.o.File, err)
	}
	now := t.o.Clock()
	for _, f := range list {
		if f.User == nil || f.ID == "" {
			continue
		}
		s := &Session{
			ID: f.ID, User: f.User, Method: f.Method, Issuer: f.Issuer, Remote: f.Remote, Agent: f.Agent, Created: f.Created,
			sealed: f.Sealed, sealedRefresh: f.Refresh, lastSeen: f.LastSeen, done: make(chan struct{}),
		}
		if f.Until != nil {
			s.Until = *f.Until
		}
		if !t.expired(s, now) {
			t.sessions[s.ID] = s
		}
	}
	return nil
}

// save writes the file. A disk that takes nothing costs a login after the next
// restart, so it is logged and no more.
func (t *Table) save() {
	if t.o.File == "" {
		return
	}
	t.saved = t.o.Clock()
	list := make([]stored, 0, len(t.sessions))
	for _, s := range t.sessions {
		list = append(list, s.stored())
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	if err := writeFile(t.o.File, list); err != nil {
		klog.ErrorS(err, "Save sessions of the dashboard")
	}
}

func (s *Session) stored() stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := stored{
		ID: s.ID, User: s.User, Method: s.Method, Issuer: s.Issuer, Remote: s.Remote, Agent: s.Agent, Created: s.Created,
		LastSeen: s.lastSeen, Sealed: s.sealed, Refresh: s.sealedRefresh,
	}
	if !s.Until.IsZero() {
		f.Until = &s.Until
	}
	return f
}

func writeFile(path string, list []stored) error {
	raw, err := json.Marshal(list)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sessions-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
