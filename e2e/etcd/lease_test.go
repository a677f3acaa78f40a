package etcd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/storage"
	engine "pilothouse/backend/storage/etcd"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKeysExpire puts keys under leases: those written in the same moment share
// one, another write takes the key from it, and the end comes as an event.
func TestKeysExpire(t *testing.T) {
	address := startMember(t)
	e, err := engine.Open(t.Context(), engine.Options{Endpoints: []string{address}, Prefix: "/pilothouse"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // the test is over
	if _, err := e.Load(t.Context(), func(storage.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	gone := make(chan storage.Event, 10)
	if err := e.Start(func(events []storage.Event) {
		for _, ev := range events {
			if ev.Delete {
				gone <- ev
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	const ttl = 5 * time.Second
	write := func(key, value string, expected int64, ttl time.Duration) int64 {
		t.Helper()
		revision, err := e.Commit(t.Context(), &storage.Write{Key: key, Value: []byte(value), Expected: expected, TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	write("g/r/short", `{"a":1}`, 0, ttl)
	kept := write("g/r/kept", `{"a":1}`, 0, time.Minute) // longer than until the next write
	write("g/r/kept", `{"a":2}`, kept, 0)
	write("g/r/long", `{"a":1}`, 0, time.Hour)
	write("g/r/long2", `{"a":1}`, 0, time.Hour)

	etcd := client(t, address)
	if a, b := leaseOf(t, etcd, "g/r/long"), leaseOf(t, etcd, "g/r/long2"); a != b || a == 0 {
		t.Errorf("leases %d and %d: want one", a, b)
	}
	if id := leaseOf(t, etcd, "g/r/kept"); id != 0 {
		t.Errorf("what is to be kept has the lease %d", id)
	}
	select {
	case ev := <-gone:
		if ev.Key != "g/r/short" || string(ev.Value) != `{"a":1}` {
			t.Errorf("gone is %s %s", ev.Key, ev.Value)
		}
	case <-time.After(patience):
		t.Fatal("nothing is gone")
	}

	// A lease that somebody took away is no reason to refuse a write.
	if _, err := etcd.Revoke(t.Context(), clientv3.LeaseID(leaseOf(t, etcd, "g/r/long"))); err != nil {
		t.Fatal(err)
	}
	write("g/r/late", `{}`, 0, time.Hour)
	if leaseOf(t, etcd, "g/r/late") == 0 {
		t.Error("the late one has no lease")
	}
}

func client(t *testing.T, address string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// leaseOf gives the lease of a key, 0 when it has none.
func leaseOf(t *testing.T, c *clientv3.Client, key string) int64 {
	t.Helper()
	r, err := c.Get(t.Context(), "/pilothouse/"+key)
	if err != nil || len(r.Kvs) != 1 {
		t.Fatalf("%s: %d keys, %v", key, len(r.Kvs), err)
	}
	return r.Kvs[0].Lease
}

// checkEvents sees that the events which servers write expire with etcd.
func checkEvents(ctx context.Context, t *testing.T, address string, servers []*server) {
	t.Helper()
	etcd := client(t, address)
	for i, s := range servers {
		name := fmt.Sprintf("event-%d", i)
		_, err := s.CoreV1().Events("default").Create(ctx, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: name}, InvolvedObject: corev1.ObjectReference{Namespace: "default"},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := etcd.Get(ctx, "/", clientv3.WithPrefix())
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(r.Kvs, func(kv *mvccpb.KeyValue) bool {
			return strings.HasSuffix(string(kv.Key), "/"+name) && kv.Lease != 0
		})
		if !found {
			t.Errorf("%s has no lease", name)
		}
	}
}
