// Package trend owns the short memory of the server's own metrics that the
// dashboard's plots show: a sampler that reads them at a steady pace, and the
// samples of the last hour. It knows neither HTML nor requests. Read trend.go
// first, then reading.go.
package trend

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/klog/v2"
)

// Interval is the pace of the samples, Kept how many stay: an hour of them.
const (
	Interval = 10 * time.Second
	Kept     = 360
)

// Sample is what the metrics said at a moment. Rates are per second since the
// sample before, times in seconds, sizes in bytes.
type Sample struct {
	At                    time.Time
	Reads, Writes, Errors float64
	Mean, P99             float64 // how long a request took
	Streams               float64 // watches and other long requests that are open
	Memory                float64 // resident
	Goroutines            float64
}

// Trend holds the samples of the last hour. It is safe for concurrent use.
type Trend struct {
	gatherer prometheus.Gatherer
	clock    func() time.Time

	mu      sync.Mutex // guards the fields below
	samples []Sample
	last    *reading
	lastAt  time.Time
}

// New gives a Trend of what g gathers, without samples.
func New(g prometheus.Gatherer, clock func() time.Time) *Trend {
	return &Trend{gatherer: g, clock: clock}
}

// Run takes samples until ctx ends.
func (t *Trend) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		t.Sample()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sample takes one sample. The first one is only what the next is compared
// with.
func (t *Trend) Sample() {
	r, err := read(t.gatherer)
	if err != nil {
		klog.V(2).InfoS("Metrics cannot be read whole", "err", err)
	}
	if r == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if t.last != nil && now.After(t.lastAt) {
		t.samples = append(t.samples, r.since(t.last, now, now.Sub(t.lastAt).Seconds()))
		if n := len(t.samples) - Kept; n > 0 {
			t.samples = append(t.samples[:0], t.samples[n:]...)
		}
	}
	t.last, t.lastAt = r, now
}

// Samples gives the samples, oldest first.
func (t *Trend) Samples() []Sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Sample(nil), t.samples...)
}
