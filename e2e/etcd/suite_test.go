// Package etcd tests the server on etcd clusters that run in the test's own
// process. It is a module of its own so that the product does not depend on
// etcd's server.
package etcd

import (
	"net/url"
	"testing"
	"time"

	"pilothouse/backend/storage"
	engine "pilothouse/backend/storage/etcd"
	"pilothouse/backend/storage/storagetest"

	"go.etcd.io/etcd/server/v3/embed"
)

// startMember starts a cluster of one in a folder and gives its address.
func startMember(t testing.TB) string {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.LogLevel = "panic"
	c.UnsafeNoFsync = true
	c.MaxRequestBytes = 8 << 20
	local := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.AdvertiseClientUrls = local, local
	c.ListenPeerUrls, c.AdvertisePeerUrls = local, local
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	member, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(member.Close)
	select {
	case <-member.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd does not come up")
	}
	return "http://" + member.Clients[0].Addr().String()
}

func TestSuite(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Open {
		address := startMember(t)
		return func() (storage.Engine, error) {
			return engine.Open(t.Context(), engine.Options{Endpoints: []string{address}, Prefix: "/pilothouse"})
		}
	})
}
