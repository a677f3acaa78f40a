package storage

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"
)

// CompactionPolicy says which revisions stay readable. As in kube-apiserver
// (its --etcd-compaction-interval), each tick compacts to where the store stood
// at the tick before, so a revision stays for one to two intervals.
type CompactionPolicy struct {
	// Interval is the time between compactions; 0 means DefaultCompaction's.
	Interval time.Duration
	// Keep is how many of the newest revisions stay readable whatever their
	// age, so that watchers of a quiet server can go on after a restart.
	Keep int64
	// Until, when it is not nil, gives the newest revision that may be compacted
	// in place of where the store stood at the tick before: what is after it is
	// history that people may ask for.
	Until func() int64
}

// DefaultCompaction is kube-apiserver's interval, with some history of a quiet
// server.
var DefaultCompaction = CompactionPolicy{Interval: 5 * time.Minute, Keep: 5000}

// RunCompaction compacts the engine by the policy until ctx is done, or until
// it finds the engine closed; it gives no error then. A compaction that errs is
// logged and tried again at the next tick.
func RunCompaction(ctx context.Context, engine Engine, policy CompactionPolicy) error {
	if policy.Interval <= 0 {
		policy.Interval = DefaultCompaction.Interval
	}
	tick := time.NewTicker(policy.Interval)
	defer tick.Stop()
	before := engine.Position().Revision
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		position := engine.Position()
		if policy.Until != nil {
			before = policy.Until()
		}
		if target := min(before, position.Revision-policy.Keep); target > position.Compacted {
			err := engine.Compact(ctx, target)
			if errors.Is(err, ErrClosed) {
				return nil
			}
			if err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Cannot compact the storage", "revision", target)
			}
		}
		before = position.Revision
	}
}
