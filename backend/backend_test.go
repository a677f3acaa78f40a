package backend

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"pilothouse/backend/config"
	"pilothouse/backend/storage"
)

func TestStorageTrouble(t *testing.T) {
	check := func(err error, want string) {
		t.Helper()
		if got := storageTrouble(&config.Storage{DataDir: "/data"}, err); got.Error() != want {
			t.Errorf("%v", got)
		}
	}
	check(fmt.Errorf("lock: %w", storage.ErrLocked), "the data folder /data is in use by another pilothouse")
	check(fmt.Errorf("%w: format 7", storage.ErrFormat), "the data folder /data was written by a newer pilothouse")
	check(errors.New("disk"), "open the data folder /data: disk")
}

func TestServingNames(t *testing.T) {
	o := config.Default()
	o.Serving.BindAddress, o.Serving.AdvertiseAddress = "0.0.0.0", "192.0.2.7"
	o.Services.ClusterIPRange = "10.96.0.0/16"
	names, ips, err := servingNames(o)
	if err != nil || names[0] != "localhost" || names[len(names)-1] == "" {
		t.Errorf("%v %v", names, err)
	}
	for _, want := range []string{"127.0.0.1", "::1", "10.96.0.1", "192.0.2.7"} {
		if !contains(ips, net.ParseIP(want)) {
			t.Errorf("%s is not among %v", want, ips)
		}
	}
	if contains(ips, net.IPv4zero) {
		t.Errorf("the unspecified address is among %v", ips)
	}
}

func TestHostOfTheKubeconfig(t *testing.T) {
	for bind, want := range map[string]string{"0.0.0.0": "127.0.0.1", "::": "::1", "192.0.2.7": "192.0.2.7", "127.0.0.1": "127.0.0.1"} {
		if got := (&listeners{bindAddress: bind}).host(); got != want {
			t.Errorf("%s: %s, want %s", bind, got, want)
		}
	}
}

func TestMemTotal(t *testing.T) {
	if got := memTotal([]byte("MemFree: 1 kB\nMemTotal:       2048 kB\n")); got != 2048<<10 {
		t.Errorf("%d", got)
	}
	if got := memTotal([]byte("nonsense\n")); got != 0 {
		t.Errorf("%d", got)
	}
}
