package pages

import (
	"context"
	"encoding/json"
	"strconv"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/web/live"
	"pilothouse/web/rows"
)

// overviewPace is the least time between two states of the overview.
const overviewPace = 3 * time.Second

// livePage tells a page that is made of lists when it would look different; the
// browser then asks for it again.
type livePage struct {
	views   []*rows.View
	windows []*rows.Window
	stale   atomic.Bool
	counted <-chan struct{} // of the sums of what nodes have, nil when the user may not see them
	sums    func() uint64   // their version
	shown   uint64          // the version that the page shows, 0 when it shows none
	wake    func()
	stop    context.CancelFunc
}

// openOverview opens the overview's live part; have is the version of the sums that
// the page shows. What the user may not list does not change.
func (c *Call) openOverview(ctx context.Context, have []string, wake func()) (live.Subscription, error) {
	l := &livePage{wake: wake}
	for _, gr := range tileResources.list() {
		e := preferred(c.Types(), gr)
		if e == nil {
			continue
		}
		a := address{entry: e, gvr: e.GVR()}
		all := parseList(a, nil)
		key, query, narrowed, err := c.ask(ctx, &all)
		if err != nil || len(narrowed) == 0 && c.may(ctx, right{verb: "list", address: a}) != nil {
			continue
		}
		v, err := c.Pool.Open(ctx, c.Client, key, query)
		if err != nil {
			continue // another list may be had
		}
		l.views = append(l.views, v)
		l.windows = append(l.windows, v.Window(0, 0, func() { l.stale.Store(true) }))
	}
	if l.counted, _ = c.count(ctx); l.counted != nil {
		l.sums = c.Capacity.Version
		if len(have) == 1 {
			l.shown, _ = strconv.ParseUint(have[0], 10, 64) //nolint:errcheck // then it is as if it showed none
		}
	}
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	go metrics.Guarded("dashboard", func() { l.run(running) })()
	return l, nil
}

// run wakes the tab when the sums are whole that a page has come without, then at
// most once in overviewPace, and for new samples of the plots.
func (l *livePage) run(ctx context.Context) {
	tick := time.NewTicker(overviewPace)
	defer tick.Stop()
	counted := l.counted
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-counted:
			counted = nil
			if l.shown == 0 {
				l.shown = l.sums()
				l.stale.Store(true)
				l.wake()
			}
		case <-tick.C:
			if l.sums != nil {
				if now := l.sums(); counted == nil && now != l.shown { // who asks goes on looking
					l.shown = now
					l.stale.Store(true)
				}
			}
			if l.stale.Load() || n%4 == 0 {
				l.stale.Store(true)
				l.wake()
			}
		}
	}
}

// Next tells that the page has changed.
func (l *livePage) Next() ([]byte, error) {
	if !l.stale.Swap(false) {
		return nil, nil
	}
	return json.Marshal(map[string]any{"page": true})
}

// Move does nothing.
func (*livePage) Move(int, int, string) {}

// Close ends it.
func (l *livePage) Close() {
	l.stop()
	for i, w := range l.windows {
		w.Close()
		l.views[i].Close()
	}
}
