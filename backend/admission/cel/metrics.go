package cel

import (
	"time"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// The names, labels and buckets are kube-apiserver's.
var (
	conditionErrors = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_admission_match_condition_evaluation_errors_total",
		Help: "Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
	}, []string{"name", "kind", "type", "operation"}))
	conditionExclusions = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_admission_match_condition_exclusions_total",
		Help: "Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
	}, []string{"name", "kind", "type", "operation"}))
	conditionDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_admission_match_condition_evaluation_seconds",
		Help:    "Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).",
		Buckets: []float64{0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25},
	}, []string{"name", "kind", "type", "operation"}))
)

// Owner is whose match conditions they are, for metrics.
type Owner struct {
	// Kind is webhook or policy, Type the step: admit, validate, validating.
	Kind, Type, Name string
}

func (o *Owner) labels(v *Values) []string {
	operation := ""
	if v.write != nil {
		operation = string(v.write.Operation)
	}
	return []string{o.Name, o.Kind, o.Type, operation}
}

// outcome is what became of conditions.
type outcome struct {
	excluded bool
	errors   int
}

func (o *Owner) observe(v *Values, began time.Time, what outcome) {
	labels := o.labels(v)
	conditionDurations.WithLabelValues(labels...).Observe(time.Since(began).Seconds())
	if what.excluded {
		conditionExclusions.WithLabelValues(labels...).Inc()
	}
	if what.errors > 0 {
		conditionErrors.WithLabelValues(labels...).Add(float64(what.errors))
	}
}
