package allocator

import (
	"errors"
	"net/netip"
	"testing"
)

func TestRangeGivesEachAddressOnce(t *testing.T) {
	f := func(cidr string, count int, first, last string) {
		t.Helper()
		r, err := NewRange(netip.MustParsePrefix(cidr))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[netip.Addr]bool{}
		r.Candidates(func(a netip.Addr) bool {
			if seen[a] || !r.Contains(a) {
				t.Errorf("%s gives %s twice or from outside", cidr, a)
			}
			seen[a] = true
			return true
		})
		if len(seen) != count {
			t.Errorf("%s gives %d addresses, want %d", cidr, len(seen), count)
		}
		if count > 0 && (!seen[netip.MustParseAddr(first)] || !seen[netip.MustParseAddr(last)]) {
			t.Errorf("%s lacks %s or %s", cidr, first, last)
		}
	}
	f("10.0.0.0/24", 254, "10.0.0.1", "10.0.0.254")
	f("10.0.0.0/28", 14, "10.0.0.1", "10.0.0.14")
	f("10.0.0.0/30", 2, "10.0.0.1", "10.0.0.2")
	f("10.0.0.0/31", 0, "", "")
	f("10.0.0.0/32", 0, "", "")
	f("fd00::/120", 255, "fd00::1", "fd00::ff")
}

func TestRangeKeepsTheLowerBandForNamedAddresses(t *testing.T) {
	r, err := NewRange(netip.MustParsePrefix("10.0.0.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	r.Candidates(func(a netip.Addr) bool {
		n++
		low := a.Less(netip.MustParseAddr("10.0.0.17"))
		if want := n > 238; low != want {
			t.Fatalf("candidate %d is %s", n, a)
		}
		return true
	})
}

func TestRangeLimits(t *testing.T) {
	if _, err := NewRange(netip.MustParsePrefix("fd00::/60")); err == nil {
		t.Error("a /60 passed")
	}
	r, err := NewRange(netip.MustParsePrefix("fd00::/64"))
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	r.Candidates(func(a netip.Addr) bool { tries++; return tries < 10 })
	if tries != 10 {
		t.Errorf("%d tries", tries)
	}
	for _, a := range []string{"10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1"} {
		if r, _ := NewRange(netip.MustParsePrefix("10.0.0.0/24")); r.Contains(netip.MustParseAddr(a)) {
			t.Errorf("%s is in the range", a)
		}
	}
}

func TestPorts(t *testing.T) {
	p := NewPorts(30000, 30039)
	if err := p.Allocate(29999); err == nil || err.Error() != "provided port is not in the valid range. The range of valid ports is 30000-30039" {
		t.Errorf("out of range: %v", err)
	}
	if err := p.Allocate(30001); err != nil {
		t.Fatal(err)
	}
	if err := p.Allocate(30001); !errors.Is(err, ErrPortAllocated) {
		t.Errorf("taken: %v", err)
	}
	for i := range 39 {
		port, err := p.AllocateNext()
		if err != nil {
			t.Fatal(err)
		}
		if low := port < 30016; low != (i >= 24) {
			t.Errorf("port %d is %d", i, port)
		}
	}
	if _, err := p.AllocateNext(); !errors.Is(err, ErrFull) {
		t.Errorf("full: %v", err)
	}
	p.Release(30001)
	if port, err := p.AllocateNext(); err != nil || port != 30001 {
		t.Errorf("after release %d, %v", port, err)
	}
}

func TestOperation(t *testing.T) {
	p := NewPorts(30000, 30100)
	op := p.Begin(false)
	if err := op.Allocate(30005); err != nil {
		t.Fatal(err)
	}
	op.Revert()
	if p.Has(30005) {
		t.Error("revert keeps the port")
	}
	if err := p.Allocate(30006); err != nil {
		t.Fatal(err)
	}
	op = p.Begin(false)
	op.Release(30006)
	if !p.Has(30006) {
		t.Error("released before the commit")
	}
	op.Commit()
	if p.Has(30006) {
		t.Error("commit does not release")
	}
}

func TestDryRunTakesNothing(t *testing.T) {
	p := NewPorts(30000, 30100)
	if err := p.Allocate(30001); err != nil {
		t.Fatal(err)
	}
	op := p.Begin(true)
	if err := op.Allocate(30001); !errors.Is(err, ErrPortAllocated) {
		t.Errorf("taken port: %v", err)
	}
	if err := op.Allocate(30002); err != nil {
		t.Error(err)
	}
	if err := op.Allocate(30002); !errors.Is(err, ErrPortAllocated) {
		t.Errorf("twice: %v", err)
	}
	if port, err := op.AllocateNext(); err != nil || port != 30003 {
		t.Errorf("next is %d, %v", port, err)
	}
	if port, err := p.Begin(true).AllocateNext(); err != nil || port != 32769 {
		t.Errorf("first is %d, %v", port, err)
	}
	op.Commit()
	op.Revert()
	if p.Has(30002) {
		t.Error("a dry run took a port")
	}
}
