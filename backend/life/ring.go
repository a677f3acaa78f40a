package life

import (
	"slices"
	"sync/atomic"
)

// ring keeps the newest records. Adding takes no lock.
type ring struct {
	next  atomic.Uint64
	slots []atomic.Pointer[Record]
}

func newRing(size int) *ring { return &ring{slots: make([]atomic.Pointer[Record], max(size, 1))} }

func (g *ring) add(r *Record) {
	n := g.next.Add(1) - 1
	g.slots[n%uint64(len(g.slots))].Store(r)
}

// each gives the records, in no order, until f is false.
func (g *ring) each(f func(*Record) bool) {
	for i := range g.slots {
		if r := g.slots[i].Load(); r != nil && !f(r) {
			return
		}
	}
}

// Find gives the request with an audit id, nil when it is not remembered. Of
// several the newest counts, and one that is over before one that is open.
func (rec *Recorder) Find(id string) *Record {
	var best *Record
	for _, g := range rec.rings() {
		g.each(func(r *Record) bool {
			if r.ID == id && (best == nil || best.Open && !r.Open || best.Open == r.Open && r.Received.After(best.Received)) {
				best = r
			}
			return true
		})
	}
	return best
}

func (rec *Recorder) rings() []*ring { return []*ring{rec.notable, rec.writes, rec.reads} }

// List gives the newest requests that fit, the newest first, at most limit of
// them.
func (rec *Recorder) List(limit int, fits func(*Record) bool) []*Record {
	var out []*Record
	over := map[string]bool{}
	for _, g := range rec.rings() {
		g.each(func(r *Record) bool {
			if fits(r) {
				out = append(out, r)
				over[r.ID] = over[r.ID] || !r.Open
			}
			return true
		})
	}
	out = slices.DeleteFunc(out, func(r *Record) bool { return r.Open && over[r.ID] })
	slices.SortStableFunc(out, func(a, b *Record) int { return b.Received.Compare(a.Received) })
	return out[:min(len(out), limit)]
}
