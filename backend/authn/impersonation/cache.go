package impersonation

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
)

const (
	// keptFor is how long an allowed impersonation is allowed without a look,
	// Kubernetes' 10 s.
	keptFor = 10 * time.Second
	// maxKept bounds one cache, maxCallers the callers whose last mode is known.
	maxKept    = 4096
	maxCallers = 10_000
)

type cacheKey [sha256.Size]byte

// cache remembers what was allowed; never what was refused.
type cache struct {
	now func() time.Time

	mu  sync.Mutex
	all map[cacheKey]kept
}

type kept struct {
	outcome *outcome
	until   time.Time
}

func newCache(now func() time.Time) *cache { return &cache{now: now, all: map[cacheKey]kept{}} }

func (c *cache) get(key cacheKey) *outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.all[key]; ok && c.now().Before(k.until) {
		return k.outcome
	}
	return nil
}

func (c *cache) set(key cacheKey, o *outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.all) >= maxKept {
		maps.DeleteFunc(c.all, func(_ cacheKey, k kept) bool { return !now.Before(k.until) })
	}
	if len(c.all) >= maxKept {
		clear(c.all)
	}
	c.all[key] = kept{o, now.Add(keptFor)}
}

// key is who wants to be whom, and with the request for what.
func (q *question) key(withRequest bool) cacheKey {
	var none cacheKey
	made := &q.withoutRequest
	if withRequest {
		made = &q.withRequest
	}
	if *made == none {
		var k keyBuilder
		k.user(q.caller)
		k.user(q.wanted)
		if withRequest {
			k.attributes(&q.request)
			k.text(q.query)
		}
		*made = sha256.Sum256(k.b)
	}
	return *made
}

// keyBuilder writes values with their lengths, so that no two questions look
// the same.
type keyBuilder struct{ b []byte }

func (k *keyBuilder) text(s string) {
	k.b = binary.BigEndian.AppendUint32(k.b, uint32(len(s)))
	k.b = append(k.b, s...)
}

func (k *keyBuilder) list(l []string) {
	k.b = binary.BigEndian.AppendUint32(k.b, uint32(len(l)))
	for _, s := range l {
		k.text(s)
	}
}

func (k *keyBuilder) user(u *request.User) {
	k.text(u.Name)
	k.text(u.UID)
	k.list(u.Groups)
	k.b = binary.BigEndian.AppendUint32(k.b, uint32(len(u.Extra)))
	for _, name := range slices.Sorted(maps.Keys(u.Extra)) {
		k.text(name)
		k.list(u.Extra[name])
	}
}

func (k *keyBuilder) attributes(a *authz.Attributes) {
	for _, s := range []string{a.Verb, a.Namespace, a.Group, a.Version, a.Resource, a.Subresource, a.Name, a.Path} {
		k.text(s)
	}
	if a.IsResource {
		k.b = append(k.b, 1)
	}
}

// lastModes remembers which mode worked last for a caller.
type lastModes struct {
	mu  sync.Mutex
	all map[string]int
}

func (l *lastModes) get(caller string) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.all[caller]
	return i, ok
}

func (l *lastModes) set(caller string, i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || len(l.all) >= maxCallers {
		l.all = map[string]int{}
	}
	l.all[caller] = i
}
