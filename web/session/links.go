package session

import (
	"sync"
	"time"
)

// LinkLife is how long a one-time link is valid.
const LinkLife = 15 * time.Minute

// maxLinks bounds the links that are open at the same time.
const maxLinks = 256

// Links are the one-time links that log a browser in. They are kept in memory
// only.
type Links struct {
	clock func() time.Time

	mu   sync.Mutex // guards open
	open map[string]link
}

type link struct {
	login   Login
	expires time.Time
}

// NewLinks gives an empty Links; clock is time.Now when nil.
func NewLinks(clock func() time.Time) *Links {
	if clock == nil {
		clock = time.Now
	}
	return &Links{clock: clock, open: map[string]link{}}
}

// New gives the token of a new link, whose first user logs in by login.
func (l *Links) New(login Login) string {
	token := newSecret()
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, k := range l.open {
		if now.After(k.expires) || len(l.open) >= maxLinks {
			delete(l.open, id)
		}
	}
	l.open[hash(token)] = link{login, now.Add(LinkLife)}
	return token
}

// Use takes a link: it gives the login, false when it was used before, has
// expired or never was.
func (l *Links) Use(token string) (Login, bool) {
	id := hash(token)
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.open[id]
	delete(l.open, id)
	if !ok || l.clock().After(k.expires) {
		return Login{}, false
	}
	return k.login, true
}
