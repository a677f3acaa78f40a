package pages

import (
	"slices"
	"testing"
)

func TestHealthChecksAreRead(t *testing.T) {
	f := func(text string, passed int, failed ...string) {
		t.Helper()
		if n, bad := readChecks(text); n != passed || !slices.Equal(bad, failed) {
			t.Errorf("%q gives %d and %v", text, n, bad)
		}
	}
	f("[+]ping ok\n[+]log ok\nreadyz check passed\n", 2)
	f("[+]ping ok\n[-]etcd failed: reason withheld\n[-]informer-sync failed: reason withheld\nreadyz check failed\n", 1, "etcd", "informer-sync")
	f("", 0)
}
