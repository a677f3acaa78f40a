package admission

import (
	"strconv"
	"time"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// The names, labels and buckets are kube-apiserver's.
var (
	pluginDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_admission_controller_admission_duration_seconds",
		Help:    "Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
		Buckets: []float64{0.005, 0.025, 0.1, 0.5, 1.0, 2.5},
	}, []string{"name", "type", "operation", "rejected"}))
	stepDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_admission_step_admission_duration_seconds",
		Help:    "Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).",
		Buckets: []float64{0.005, 0.025, 0.1, 0.5, 1.0, 2.5},
	}, []string{"type", "operation", "rejected"}))
	stepSummaries = metrics.Register(prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name:   "apiserver_admission_step_admission_duration_seconds_summary",
		Help:   "Admission sub-step latency summary in seconds, broken out for each operation and API resource and step type (validate or admit).",
		MaxAge: 5 * time.Hour,
	}, []string{"type", "operation", "rejected"}))
)

// The types of steps.
const (
	admit    = "admit"
	validate = "validate"
)

// timed is a plugin's step with its series, looked up once.
type timed[P Plugin] struct {
	plugin             P
	accepted, rejected prometheus.Observer
}

func newTimed[P Plugin](p P, step string, op Operation) timed[P] {
	of := func(rejected bool) prometheus.Observer {
		return pluginDurations.WithLabelValues(p.Name(), step, string(op), strconv.FormatBool(rejected))
	}
	return timed[P]{p, of(false), of(true)}
}

// series are those of a whole step.
type series struct{ histogram, summary prometheus.Observer }

func (s *series) observe(took time.Duration) {
	s.histogram.Observe(took.Seconds())
	s.summary.Observe(took.Seconds())
}

// whole is a step of all plugins.
type whole struct{ accepted, rejected series }

func newWhole(step string, op Operation) whole {
	of := func(rejected bool) series {
		labels := []string{step, string(op), strconv.FormatBool(rejected)}
		return series{stepDurations.WithLabelValues(labels...), stepSummaries.WithLabelValues(labels...)}
	}
	return whole{of(false), of(true)}
}

// stopwatch measures one plugin after the other with one look at the clock each.
type stopwatch struct{ began, last time.Time }

func newStopwatch() stopwatch {
	now := time.Now()
	return stopwatch{now, now}
}

// lap gives the time since the one before.
func (s *stopwatch) lap() time.Duration {
	now := time.Now()
	took := now.Sub(s.last)
	s.last = now
	return took
}

// saw notes what a plugin took.
func (s *stopwatch) saw(accepted, rejected prometheus.Observer, err error) {
	if took := s.lap().Seconds(); err != nil {
		rejected.Observe(took)
	} else {
		accepted.Observe(took)
	}
}

// end notes what the whole step took.
func (s *stopwatch) end(w *whole, err error) {
	took := s.last.Sub(s.began)
	if err != nil {
		w.rejected.observe(took)
	} else {
		w.accepted.observe(took)
	}
}
