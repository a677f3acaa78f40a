package trend

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestSamplesAreRatesSinceTheOneBefore(t *testing.T) {
	g := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "apiserver_request_total"}, []string{"verb", "code"})
	durations := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "apiserver_request_duration_seconds", Buckets: []float64{0.01, 0.1, 1}})
	g.MustRegister(requests, durations)
	now := time.Unix(1000, 0)
	tr := New(g, func() time.Time { return now })
	requests.WithLabelValues("GET", "200").Add(1000) // before the first sample: in no rate
	tr.Sample()
	if n := len(tr.Samples()); n != 0 {
		t.Fatalf("%d samples from one reading", n)
	}
	requests.WithLabelValues("LIST", "200").Add(40)
	requests.WithLabelValues("POST", "500").Add(10)
	requests.WithLabelValues("WATCH", "200").Add(99)
	for range 100 {
		durations.Observe(0.05)
	}
	now = now.Add(10 * time.Second)
	tr.Sample()
	s := tr.Samples()[0]
	if s.Reads != 4 || s.Writes != 1 || s.Errors != 1 {
		t.Errorf("reads %v, writes %v, errors %v; want 4, 1, 1 a second", s.Reads, s.Writes, s.Errors)
	}
	if math.Abs(s.Mean-0.05) > 1e-9 || s.P99 < 0.09 || s.P99 > 0.1 {
		t.Errorf("mean %v, p99 %v", s.Mean, s.P99)
	}
}

func TestAnHourOfSamplesIsKept(t *testing.T) {
	g := prometheus.NewRegistry()
	g.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_goroutines"}))
	now := time.Unix(0, 0)
	tr := New(g, func() time.Time { return now })
	for range Kept + 20 {
		now = now.Add(Interval)
		tr.Sample()
	}
	s := tr.Samples()
	if len(s) != Kept || !s[len(s)-1].At.Equal(now) {
		t.Errorf("%d samples, the last one of %v; want %d, %v", len(s), s[len(s)-1].At, Kept, now)
	}
}

func TestQuantile(t *testing.T) {
	f := func(q, want float64, counts ...float64) {
		t.Helper()
		bounds := []float64{1, 2, 4}
		at := map[float64]float64{1: counts[0], 2: counts[1], 4: counts[2]}
		if got := quantile(q, counts[3], func(b float64) float64 { return at[b] }, bounds); got != want {
			t.Errorf("quantile %v of %v is %v, want %v", q, counts, got, want)
		}
	}
	f(0.5, 1.5, 0, 100, 100, 100)
	f(0.5, 0.5, 100, 100, 100, 100)
	f(0.99, 4, 0, 0, 0, 100) // more than the last bound: the last bound
	f(0, 1, 0, 0, 10, 10)
}
