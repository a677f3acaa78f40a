package rbac

import (
	"hash/maphash"
	"sync"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
)

// decision is one cached answer.
type decision struct {
	decision authz.Decision
	reason   string
}

// cacheKey is all that a decision depends on. The user is compared by address:
// authenticators give the same value for the same credential, users are never
// changed, and the cache keeps them alive, so an address cannot come to mean
// somebody else.
type cacheKey struct {
	user                                                          *request.User
	resource                                                      bool
	verb, namespace, group, resourceName, subresource, name, path string
}

func keyOf(a *authz.Attributes) cacheKey {
	return cacheKey{a.User, a.IsResource, a.Verb, a.Namespace, a.Group, a.Resource, a.Subresource, a.Name, a.Path}
}

const (
	cacheShards  = 16
	shardEntries = 4096
)

// decisionCache holds decisions of one generation of the policy. A shard that
// is full or of an older generation starts anew.
type decisionCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu         sync.RWMutex
	generation uint64
	entries    map[cacheKey]decision
}

func (c *decisionCache) init() { c.seed = maphash.MakeSeed() }

// shard picks by what differs most between requests.
func (c *decisionCache) shard(k *cacheKey) *cacheShard {
	return &c.shards[(maphash.String(c.seed, k.name)^maphash.String(c.seed, k.resourceName))%cacheShards]
}

func (c *decisionCache) get(k *cacheKey, generation uint64) (decision, bool) {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.generation != generation {
		return decision{}, false
	}
	d, ok := s.entries[*k]
	return d, ok
}

// put keeps a decision that was made under a generation of the policy.
func (c *decisionCache) put(k *cacheKey, generation uint64, d decision) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case generation < s.generation:
		return
	case generation > s.generation || len(s.entries) >= shardEntries || s.entries == nil:
		s.generation, s.entries = generation, make(map[cacheKey]decision, 64)
	}
	s.entries[*k] = d
}
