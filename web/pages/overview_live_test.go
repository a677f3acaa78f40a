package pages

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A page that came before the pods were counted comes again when they are, and not
// because there are more of them meanwhile; one that shows the sums stays.
func TestTheOverviewComesAgainWithTheSums(t *testing.T) {
	f := func(name string, shown uint64, want bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			counted := make(chan struct{})
			var version, woken atomic.Uint64
			version.Store(1)
			l := &livePage{counted: counted, sums: version.Load, shown: shown, wake: func() { woken.Add(1) }}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); l.run(ctx) }()
			time.Sleep(overviewPace + time.Second)
			synctest.Wait()
			if woken.Load() != 0 {
				t.Errorf("%s: it comes again while the pods are being counted", name)
			}
			version.Store(7)
			close(counted)
			synctest.Wait()
			if m, err := l.Next(); err != nil || (m != nil) != want || (woken.Load() > 0) != want {
				t.Errorf("%s: got %s, %v, woken %d times", name, m, err, woken.Load())
			}
			version.Store(8)
			time.Sleep(overviewPace)
			synctest.Wait()
			if m, err := l.Next(); err != nil || m == nil {
				t.Errorf("%s: other sums: got %s, %v", name, m, err)
			}
			stop()
			<-ended
		})
	}
	f("without sums", 0, true)
	f("with them", 7, false)
}
