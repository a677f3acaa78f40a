package etcd

import (
	"context"
	"math"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Writes of about the same moment share a lease, as kube-apiserver's do: a lease
// costs etcd more than a key. A key lives longer by leaseShare at the most, or
// by a twentieth of its time.
const (
	leaseShare = time.Minute
	leaseKeys  = 1000
)

// leases are those that new writes are put under.
type leases struct {
	mu      sync.Mutex // guards current; held while one is granted
	current map[time.Duration]*lease
}

type lease struct {
	id    clientv3.LeaseID
	until time.Time // for new keys
	keys  int
}

// of gives a lease that ends no earlier than ttl from now.
func (l *leases) of(ctx context.Context, client *clientv3.Client, ttl time.Duration) (clientv3.LeaseID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if c := l.current[ttl]; c != nil && c.keys < leaseKeys && now.Before(c.until) {
		c.keys++
		return c.id, nil
	}
	share := min(leaseShare, ttl/20)
	r, err := client.Grant(ctx, int64(math.Ceil((ttl + share).Seconds())))
	if err != nil {
		return clientv3.NoLease, err
	}
	if l.current == nil {
		l.current = map[time.Duration]*lease{}
	}
	l.current[ttl] = &lease{id: r.ID, until: now.Add(share), keys: 1}
	return r.ID, nil
}

// drop forgets a lease that etcd does not know any more.
func (l *leases) drop(ttl time.Duration, id clientv3.LeaseID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.current[ttl]; c != nil && c.id == id {
		delete(l.current, ttl)
	}
}
