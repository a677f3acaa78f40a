// Package etcd tests the server on etcd clusters that run in the test's own
// process. It is a module of its own so that the product does not depend on
// etcd's server.
package etcd

import (
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/storage"
	engine "pilothouse/backend/storage/etcd"
	"pilothouse/backend/storage/storagetest"

	"go.etcd.io/etcd/server/v3/embed"
)

// TestMain ends a run that hangs, with the stacks of our own code: those of the
// etcds beside it are thousands of lines.
func TestMain(m *testing.M) {
	time.AfterFunc(18*time.Minute, func() {
		stacks := make([]byte, 16<<20)
		for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "pilothouse/") {
				fmt.Fprintln(os.Stderr, stack+"\n")
			}
		}
		fmt.Fprintln(os.Stderr, "the tests have not ended in time")
		os.Exit(1)
	})
	os.Exit(m.Run())
}

// startMember starts a cluster of one in a folder and gives its address.
func startMember(t testing.TB, more ...func(*embed.Config)) string {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.LogLevel = "panic"
	c.UnsafeNoFsync = true
	c.MaxRequestBytes = 8 << 20
	for _, f := range more {
		f(c)
	}
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
	case <-time.After(patience):
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
