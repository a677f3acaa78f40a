package authn

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"reflect"
	"sync"
	"time"

	"pilothouse/backend/metrics"

	"golang.org/x/sync/singleflight"
)

// CacheOptions say how long answers are kept.
type CacheOptions struct {
	// Known is how long a token that was found good is good without a look,
	// Unknown how long one that nobody knows stays so. 0 keeps none. Errors are
	// never kept.
	Known, Unknown time.Duration
	// Now is time.Now when nil.
	Now func() time.Time
}

// KnownFor is how long kube-apiserver keeps what it found out about a token.
const KnownFor = 10 * time.Second

const (
	cacheShards = 32
	// shardRoom bounds the entries of one shard and kind: 32,000 tokens
	// altogether are kept, and as many refusals.
	shardRoom = 1000
	// sweepEvery is how often a shard drops what is long over.
	sweepEvery = time.Minute
	// lookupTimeout ends a look-up, which outlives the request that began it as
	// others may wait for it.
	lookupTimeout = 30 * time.Second
)

// Cache remembers whose a token is. It holds keyed hashes of tokens only, and
// is bounded. The hash is AES-GMAC with a key of the process: nobody sees a
// hash, so two tokens share one with a chance of 2^-120 whatever an attacker
// sends, at a fraction of what SHA-256 costs. A token that was looked up again and still belongs to the same
// user keeps its *request.User, so what others remember about that user
// (decisions of authorization) stays good.
type Cache struct {
	next   TokenAuthenticator
	o      CacheOptions
	mac    cipher.AEAD
	shards [cacheShards]cacheShard
	flight singleflight.Group
}

type cacheKey [16]byte

type cacheShard struct {
	mu      sync.RWMutex
	known   map[cacheKey]cacheEntry
	unknown map[cacheKey]cacheEntry
	swept   time.Time
}

type cacheEntry struct {
	id    *Identity
	until time.Time
}

// NewCache gives a Cache before next.
func NewCache(next TokenAuthenticator, o CacheOptions) *Cache {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{next: next, o: o, mac: newMAC()}
	for i := range c.shards {
		c.shards[i].known = map[cacheKey]cacheEntry{}
		c.shards[i].unknown = map[cacheKey]cacheEntry{}
	}
	return c
}

// AuthenticateToken gives what it remembers, or asks. Requests with the same
// token at the same time share one question.
func (c *Cache) AuthenticateToken(ctx context.Context, token string, audiences []string) (*Identity, error) {
	key := c.key(token, audiences)
	if id, ok := c.get(&key); ok {
		cacheHits.Inc()
		hitDurations.Observe(0) // whole milliseconds, as in Kubernetes: none
		return id, nil
	}
	start := c.o.Now()
	fetchesWait.Inc()
	id, err := c.wait(ctx, key, token, audiences)
	fetchesWait.Dec()
	cacheMisses.Inc()
	missDurations.Observe(c.o.Now().Sub(start).Seconds())
	return id, err
}

// wait asks, or waits for the answer to whoever asks the same just now.
func (c *Cache) wait(ctx context.Context, key cacheKey, token string, audiences []string) (*Identity, error) {
	answers := c.flight.DoChan(string(key[:]), func() (any, error) {
		if id, ok := c.get(&key); ok {
			return id, nil
		}
		return c.ask(&key, token, audiences)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answers:
		id, _ := a.Val.(*Identity)
		return id, a.Err
	}
}

// scratch is room to hash in; what an interface sees would be allocated anew
// each time.
type scratch struct{ text, sum []byte }

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 2048), sum: make([]byte, 0, len(cacheKey{}))} }}

// nonce is always the same: only hashes are made, and never shown.
var nonce [12]byte

// key hashes a token and the audiences, each with its length, so that no two
// questions share a key.
func (c *Cache) key(token string, audiences []string) cacheKey {
	s, _ := scratches.Get().(*scratch)
	b := binary.BigEndian.AppendUint32(s.text[:0], uint32(len(token)))
	b = append(b, token...)
	if audiences != nil {
		b = binary.BigEndian.AppendUint32(b, uint32(len(audiences)))
		for _, a := range audiences {
			b = binary.BigEndian.AppendUint32(b, uint32(len(a)))
			b = append(b, a...)
		}
	}
	sum := c.mac.Seal(s.sum[:0], nonce[:], nil, b)
	key := cacheKey(sum)
	clear(b)
	scratches.Put(s)
	return key
}

func newMAC() cipher.AEAD {
	var key [16]byte
	rand.Read(key[:]) //nolint:errcheck // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("BUG: " + err.Error())
	}
	mac, err := cipher.NewGCM(block)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return mac
}

func (c *Cache) get(key *cacheKey) (*Identity, bool) {
	now := c.o.Now()
	s := &c.shards[key[0]%cacheShards]
	s.mu.RLock()
	e, ok := s.known[*key]
	if !ok {
		e, ok = s.unknown[*key]
	}
	s.mu.RUnlock()
	return e.id, ok && now.Before(e.until)
}

// ask asks the next one, on no request's time, and keeps the answer.
func (c *Cache) ask(key *cacheKey, token string, audiences []string) (id *Identity, err error) {
	fetchesInFlight.Inc()
	defer func() {
		fetchesInFlight.Dec()
		if err != nil {
			fetchesErred.Inc()
		} else {
			fetchesGood.Inc()
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "authentication")
			id, err = nil, errors.New("authentication failed unexpectedly")
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	id, err = c.next.AuthenticateToken(ctx, token, audiences)
	if err != nil {
		return nil, err
	}
	return c.put(key, id), nil
}

func (c *Cache) put(key *cacheKey, id *Identity) *Identity {
	now := c.o.Now()
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	if id == nil {
		delete(s.known, *key)
		if c.o.Unknown > 0 {
			insert(s.unknown, *key, cacheEntry{nil, now.Add(c.o.Unknown)})
		}
		return nil
	}
	id = withAuthenticated(id)
	if old, ok := s.known[*key]; ok && reflect.DeepEqual(old.id, id) {
		id = old.id
	}
	delete(s.unknown, *key)
	if c.o.Known > 0 {
		insert(s.known, *key, cacheEntry{id, now.Add(c.o.Known)})
	}
	return id
}

// withAuthenticated adds the group of all authenticated users here, once for
// all requests with the token.
func withAuthenticated(id *Identity) *Identity {
	user := addAuthenticated(id.User)
	if user == id.User {
		return id
	}
	more := *id
	more.User = user
	return &more
}

// insert makes room by dropping an eighth of the entries, whichever.
func insert(m map[cacheKey]cacheEntry, key cacheKey, e cacheEntry) {
	if _, there := m[key]; !there && len(m) >= shardRoom {
		n := 0
		for k := range m {
			delete(m, k)
			if n++; n >= shardRoom/8 {
				break
			}
		}
	}
	m[key] = e
}

// sweep drops entries that have been over for a while. What is over just now is
// kept: the same token may come again.
func (s *cacheShard) sweep(now time.Time) {
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	over := func(_ cacheKey, e cacheEntry) bool { return now.Sub(e.until) > sweepEvery }
	maps.DeleteFunc(s.known, over)
	maps.DeleteFunc(s.unknown, over)
}
