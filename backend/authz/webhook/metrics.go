package webhook

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// The names are kube-apiserver's.
var (
	evaluations = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authorization_webhook_evaluations_total", Help: "Round-trips to authorization webhooks.",
	}, []string{"name", "result"}))
	durations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "apiserver_authorization_webhook_duration_seconds", Help: "Request latency in seconds.", Buckets: prometheus.DefBuckets,
	}, []string{"name", "result"}))
	failedOpen = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authorization_webhook_evaluations_fail_open_total", Help: "NoOpinion results due to webhook timeout or error.",
	}, []string{"name", "result"}))

	conditionErrors = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authorization_match_condition_evaluation_errors_total",
		Help: "Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.",
	}, []string{"type", "name"}))
	conditionExclusions = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authorization_match_condition_exclusions_total",
		Help: "Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.",
	}, []string{"type", "name"}))
	conditionDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_authorization_match_condition_evaluation_seconds",
		Help:    "Authorization match condition evaluation time in seconds, split by authorizer type and name.",
		Buckets: []float64{0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25},
	}, []string{"type", "name"}))
)

// observe counts the tries of one webhook.
func observe(name string) func(context.Context, int, error, time.Duration) {
	return func(ctx context.Context, status int, err error, took time.Duration) {
		result := resultOf(ctx, status, err)
		evaluations.WithLabelValues(name, result).Inc()
		durations.WithLabelValues(name, result).Observe(took.Seconds())
	}
}

func resultOf(ctx context.Context, status int, err error) string {
	switch {
	case err == nil:
		return "success"
	case ctx.Err() != nil:
		return "canceled"
	case utilnet.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded) || status == http.StatusGatewayTimeout:
		return "timeout"
	}
	return "error"
}

// conditionMetrics are told of match conditions.
type conditionMetrics struct{}

// RecordAuthorizationMatchConditionEvaluation notes how long the conditions took.
func (conditionMetrics) RecordAuthorizationMatchConditionEvaluation(_ context.Context, kind, name string, took time.Duration) {
	conditionDurations.WithLabelValues(kind, name).Observe(took.Seconds())
}

// RecordAuthorizationMatchConditionEvaluationFailure counts conditions that failed.
func (conditionMetrics) RecordAuthorizationMatchConditionEvaluationFailure(_ context.Context, kind, name string) {
	conditionErrors.WithLabelValues(kind, name).Inc()
}

// RecordAuthorizationMatchConditionExclusion counts requests that are not the webhook's.
func (conditionMetrics) RecordAuthorizationMatchConditionExclusion(_ context.Context, kind, name string) {
	conditionExclusions.WithLabelValues(kind, name).Inc()
}
