// Package allocator owns how Services get what is scarce: addresses of a range
// (Range says which and in what order) and node ports (Ports, which remembers
// those that are taken). It knows no API object.
package allocator

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
)

// The errors of an allocation; clients see their texts.
var (
	ErrFull               = errors.New("range is full")
	ErrAddressAllocated   = errors.New("provided IP is already allocated")
	ErrMismatchedNetwork  = errors.New("the provided network does not match the current range")
	ErrPortAllocated      = errors.New("provided port is already allocated")
	errPrefixLengthOfIPv6 = errors.New("shortest allowed prefix length for service CIDR is 64")
)

// Range is the addresses that one service CIDR gives out. The first of them up
// to offset are kept for clients that name an address, as long as others are
// free (KEP-3070).
type Range struct {
	prefix      netip.Prefix
	first, last netip.Addr
	size        uint64
	offset      uint64
}

// NewRange gives the range of a CIDR: without its first address and, for IPv4,
// without its last.
func NewRange(prefix netip.Prefix) (Range, error) {
	prefix = prefix.Masked()
	if prefix.Addr().Is6() && prefix.Bits() < 64 {
		return Range{}, errPrefixLengthOfIPv6
	}
	bits := prefix.Addr().BitLen() - prefix.Bits()
	total := uint64(math.MaxUint64)
	if bits < 64 {
		total = 1 << bits
	}
	r := Range{prefix: prefix, first: prefix.Addr().Next(), offset: band(total, 16, 256, 16)}
	reserved := uint64(1)
	if prefix.Addr().Is4() {
		reserved = 2
	}
	if total <= reserved {
		return Range{prefix: prefix}, nil
	}
	r.size = total - reserved
	r.last = add(r.first, r.size-1)
	r.offset = min(r.offset, r.size)
	return r, nil
}

// band gives how much of a range is for values that clients name: a fraction
// of it within limits, nothing of a small one.
func band(size, least, most, step uint64) uint64 {
	if size <= least {
		return 0
	}
	return min(max(size/step, least), most)
}

// Prefix gives the CIDR.
func (r Range) Prefix() netip.Prefix { return r.prefix }

// Contains tells whether the range can give an address out.
func (r Range) Contains(a netip.Addr) bool {
	return r.size > 0 && r.prefix.Contains(a) && r.first.Compare(a) <= 0 && a.Compare(r.last) <= 0
}

// Candidates calls try with the addresses of the range, those above the band
// for named ones first, each half from a random place on, until try gives
// false.
func (r Range) Candidates(try func(netip.Addr) bool) {
	if r.size == 0 {
		return
	}
	if r.size > r.offset && !walk(add(r.first, r.offset), r.size-r.offset, try) {
		return
	}
	if r.offset > 0 {
		walk(r.first, r.offset, try)
	}
}

// walk goes through n addresses from first on, starting at a random one and
// turning around at the end. It tells whether try wants more.
func walk(first netip.Addr, n uint64, try func(netip.Addr) bool) bool {
	start := rand.Uint64N(n)
	a := add(first, start)
	for i := start; i < n; i++ {
		if !try(a) {
			return false
		}
		a = a.Next()
	}
	a = first
	for range start {
		if !try(a) {
			return false
		}
		a = a.Next()
	}
	return true
}

func add(a netip.Addr, n uint64) netip.Addr {
	sum := new(big.Int).SetBytes(a.AsSlice())
	sum.Add(sum, new(big.Int).SetUint64(n))
	out, ok := netip.AddrFromSlice(sum.FillBytes(make([]byte, a.BitLen()/8)))
	if !ok {
		panic("BUG: address arithmetic left its family")
	}
	return out
}
