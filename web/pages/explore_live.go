package pages

import (
	"context"
	"hash/fnv"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/live"
)

const (
	// typesPace is how often the table of types is looked at.
	typesPace = 300 * time.Millisecond
	// typesAfter is for how many looks after a change a page is made anew: the
	// documents that describe a type follow the type itself.
	typesAfter = 5
)

// liveTypes tells pages that show the types of the API when there are others.
type liveTypes struct {
	stale atomic.Bool
	stop  context.CancelFunc
}

// typesVersion tells tables with other types apart, and with others that are away.
func (s *Site) typesVersion() string {
	h := fnv.New64a()
	for _, gv := range s.Away() {
		_, _ = io.WriteString(h, gv.String()) // a hash takes everything
	}
	for _, g := range s.Types().Groups() {
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				_, _ = io.WriteString(h, e.GVR().String()+e.Version.Deprecated+"\n")
			}
		}
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// openTypes opens the live part of a page that shows the types of a version.
func (c *Call) openTypes(shown []string, wake func()) live.Subscription {
	ctx, stop := context.WithCancel(context.Background())
	l := &liveTypes{stop: stop}
	go metrics.Guarded("dashboard", func() {
		tick := time.NewTicker(typesPace)
		defer tick.Stop()
		was, left := c.Types(), 0
		if len(shown) == 1 && shown[0] != c.typesVersion() {
			left = 1
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := c.Types(); now != was {
				was, left = now, typesAfter
			}
			if left > 0 {
				left--
				l.stale.Store(true)
				wake()
			}
		}
	})()
	return l
}

// Next tells that the page has changed.
func (l *liveTypes) Next() ([]byte, error) {
	if !l.stale.Swap(false) {
		return nil, nil
	}
	return []byte(`{"page":true}`), nil
}

// Move does nothing.
func (*liveTypes) Move(int, int, string) {}

// Close ends it.
func (l *liveTypes) Close() { l.stop() }
