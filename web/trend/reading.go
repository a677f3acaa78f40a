package trend

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// reading is the metrics that a sample is made of, as they are counted: from
// the start of the process on.
type reading struct {
	reads, writes, errors       float64
	streams, memory, goroutines float64
	took                        float64
	count                       float64
	buckets                     map[float64]float64 // upper bound -> requests up to it
}

// readVerbs change nothing. Watches are counted as streams.
var readVerbs = []string{"GET", "LIST"}

// read gathers; what it gives goes with an error too, as far as it is known.
func read(g prometheus.Gatherer) (*reading, error) {
	families, err := g.Gather()
	if len(families) == 0 {
		return nil, err
	}
	r := &reading{buckets: map[float64]float64{}}
	for _, f := range families {
		for _, m := range f.Metric {
			r.take(f.GetName(), m)
		}
	}
	return r, err
}

func (r *reading) take(name string, m *dto.Metric) {
	switch name {
	case "apiserver_request_total":
		n := m.GetCounter().GetValue()
		switch verb := label(m, "verb"); {
		case slices.Contains(readVerbs, verb):
			r.reads += n
		case verb != "WATCH" && verb != "CONNECT":
			r.writes += n
		}
		if code := label(m, "code"); code != "" && code[0] == '5' {
			r.errors += n
		}
	case "apiserver_request_duration_seconds":
		h := m.GetHistogram()
		r.took += h.GetSampleSum()
		r.count += float64(h.GetSampleCount())
		for _, b := range h.Bucket {
			r.buckets[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
	case "apiserver_longrunning_requests":
		r.streams += m.GetGauge().GetValue()
	case "process_resident_memory_bytes":
		r.memory = m.GetGauge().GetValue()
	case "go_goroutines":
		r.goroutines = m.GetGauge().GetValue()
	}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.Label {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// since makes a sample of what was counted since another reading.
func (r *reading) since(last *reading, at time.Time, seconds float64) Sample {
	s := Sample{
		At: at, Reads: (r.reads - last.reads) / seconds, Writes: (r.writes - last.writes) / seconds, Errors: (r.errors - last.errors) / seconds,
		Streams: r.streams, Memory: r.memory, Goroutines: r.goroutines,
	}
	if n := r.count - last.count; n > 0 {
		s.Mean = (r.took - last.took) / n
		s.P99 = quantile(0.99, n, func(bound float64) float64 { return r.buckets[bound] - last.buckets[bound] }, r.bounds())
	}
	return s
}

func (r *reading) bounds() []float64 {
	var list []float64
	for b := range r.buckets {
		if !math.IsInf(b, 1) {
			list = append(list, b)
		}
	}
	slices.Sort(list)
	return list
}

// quantile estimates a quantile from a histogram, as Prometheus does: evenly
// spread within a bucket. upTo gives the number of values up to a bound.
func quantile(q, total float64, upTo func(bound float64) float64, bounds []float64) float64 {
	rank := q * total
	var low, below float64
	for _, b := range bounds {
		n := upTo(b)
		if n >= rank {
			if n == below {
				return b
			}
			return low + (b-low)*(rank-below)/(n-below)
		}
		low, below = b, n
	}
	return low
}
