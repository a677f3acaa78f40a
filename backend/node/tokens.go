package node

import (
	"sync"
	"time"
)

// tokens keeps the tokens of service accounts until most of their life is over.
type tokens struct {
	mu   sync.Mutex
	kept map[string]token
}

type token struct {
	value      string
	made, ends time.Time
}

// get gives the token for a key, a new one when four fifths of the old one's
// life are over, as kubelets do.
func (t *tokens) get(key string, now time.Time, request func() (string, time.Time, error)) (string, error) {
	t.mu.Lock()
	k, ok := t.kept[key]
	t.mu.Unlock()
	if ok && now.Before(k.made.Add(k.ends.Sub(k.made)*4/5)) {
		return k.value, nil
	}
	value, ends, err := request()
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for other, k := range t.kept {
		if now.After(k.ends) {
			delete(t.kept, other)
		}
	}
	if t.kept == nil {
		t.kept = map[string]token{}
	}
	t.kept[key] = token{value, now, ends}
	return value, nil
}
