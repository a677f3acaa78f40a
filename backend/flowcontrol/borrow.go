package flowcontrol

import (
	"context"
	"math"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/utils/ptr"
)

// borrowPeriod is how often seats are lent anew, and decay how much of the
// demand of a period before is remembered. Both are kube-apiserver's.
const (
	borrowPeriod = 10 * time.Second
	decay        = 0.977
)

// bounds are the seats that a level has by itself, and what lending and
// borrowing can make of them.
type bounds struct{ nominal, least, most int }

func nominalShares(c *flowcontrolv1.PriorityLevelConfiguration) int32 {
	switch {
	case c.Spec.Limited != nil:
		return ptr.Deref(c.Spec.Limited.NominalConcurrencyShares, 30)
	case c.Spec.Exempt != nil:
		return ptr.Deref(c.Spec.Exempt.NominalConcurrencyShares, 0)
	}
	return 0
}

// boundsOf works a level's seats out of the server's, by its part of all shares.
func boundsOf(c *flowcontrolv1.PriorityLevelConfiguration, seats int, shares int32) bounds {
	var b bounds
	if shares > 0 {
		b.nominal = int(math.Ceil(float64(seats) * float64(nominalShares(c)) / float64(shares)))
	}
	lendable, borrowable := (*int32)(nil), (*int32)(nil)
	switch {
	case c.Spec.Limited != nil:
		lendable, borrowable = c.Spec.Limited.LendablePercent, c.Spec.Limited.BorrowingLimitPercent
	case c.Spec.Exempt != nil:
		lendable = c.Spec.Exempt.LendablePercent
	}
	b.least = b.nominal - percent(b.nominal, ptr.Deref(lendable, 0))
	b.most = max(seats, b.nominal)
	if borrowable != nil {
		b.most = b.nominal + percent(b.nominal, *borrowable)
	}
	return b
}

func percent(n int, p int32) int { return int(math.Round(float64(n) * float64(p) / 100)) }

// Run lends seats from levels that need few to those that need more until ctx
// ends.
func (c *Controller) Run(ctx context.Context) {
	tick := time.NewTicker(borrowPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.borrow()
		}
	}
}

// borrow gives every level its limit for the next period, by what it wanted in
// the last ones.
func (c *Controller) borrow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.gone[:0]
	for _, l := range c.gone {
		if !l.idle() {
			kept = append(kept, l)
		}
	}
	c.gone = kept
	left := c.o.Seats
	var levels []*level
	var wants []want
	for _, l := range c.levels {
		w := l.wants()
		if l.exempt.Load() {
			left -= int(l.running.Load())
			continue
		}
		levels, wants = append(levels, l), append(wants, w)
	}
	for i, limit := range share(max(left, 0), wants) {
		levels[i].allow(limit)
	}
}

// want is what a level may and wants to have.
type want struct {
	least, most int
	target      float64
}

func (l *level) wants() want {
	l.mu.Lock()
	defer l.mu.Unlock()
	high, smooth := l.demand.period(l.clock())
	least := max(l.bounds.least, min(l.bounds.nominal, high))
	return want{least: least, most: max(l.bounds.most, least), target: max(float64(least), smooth, 0.001)}
}

func (l *level) allow(seats int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = max(seats, 1)
	l.dispatch()
}

func (l *level) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.executing == 0 && l.waiting == 0
}

// share parts seats so that each level gets the same part of its target, within
// its bounds. When the least bounds are more than there is, each gets the same
// part of those.
func share(seats int, wants []want) []int {
	parts := make([]int, len(wants))
	least := 0
	top := 1.0
	for _, w := range wants {
		least += w.least
		top = max(top, float64(w.most)/w.target)
	}
	if least >= seats {
		for i, w := range wants {
			parts[i] = int(math.Round(float64(w.least) * float64(seats) / float64(max(least, 1))))
		}
		return parts
	}
	part := func(w want, f float64) float64 { return min(max(f*w.target, float64(w.least)), float64(w.most)) }
	low, high := 0.0, top
	for range 60 {
		middle, sum := (low+high)/2, 0.0
		for _, w := range wants {
			sum += part(w, middle)
		}
		if sum < float64(seats) {
			low = middle
		} else {
			high = middle
		}
	}
	for i, w := range wants {
		parts[i] = int(math.Round(part(w, high)))
	}
	return parts
}

// demand follows how many seats a level wants over time.
type demand struct {
	now    int
	high   int
	since  time.Time // of now
	began  time.Time // of the period
	sum    float64   // of seats times seconds
	square float64   // of seats squared times seconds
	smooth float64
}

func (d *demand) reset(now time.Time) {
	d.began, d.since, d.sum, d.square, d.high = now, now, 0, 0, d.now
}

func (d *demand) set(seats int, now time.Time) {
	held := now.Sub(d.since).Seconds()
	d.sum += float64(d.now) * held
	d.square += float64(d.now) * float64(d.now) * held
	d.now, d.since = seats, now
	d.high = max(d.high, seats)
}

// period ends a period: it gives the most seats that were wanted, and the
// smoothed envelope of what was: it grows at once and shrinks slowly.
func (d *demand) period(now time.Time) (high int, smooth float64) {
	d.set(d.now, now)
	envelope := 0.0
	if seconds := now.Sub(d.began).Seconds(); seconds > 0 {
		average := d.sum / seconds
		deviation := math.Sqrt(max(d.square/seconds-average*average, 0))
		envelope = min(float64(d.high), average+deviation)
	}
	d.smooth = max(envelope, decay*d.smooth+(1-decay)*envelope)
	high = d.high
	d.reset(now)
	return high, d.smooth
}
