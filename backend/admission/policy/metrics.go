package policy

import (
	"errors"
	"strings"
	"time"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// The names, labels and buckets are kube-apiserver's.
var (
	expressionBuckets = []float64{0.0000005, 0.001, 0.01, 0.1, 1.0}

	validatingChecks = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_validating_admission_policy_check_total",
		Help: "Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.",
	}, []string{"policy", "policy_binding", "error_type", "enforcement_action"}))
	validatingDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_validating_admission_policy_check_duration_seconds",
		Help:    "Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.",
		Buckets: expressionBuckets,
	}, []string{"policy", "policy_binding", "error_type", "enforcement_action"}))
	mutatingChecks = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_mutating_admission_policy_check_total",
		Help: "Mutation admission policy check total, labeled by policy and further identified by binding.",
	}, []string{"policy", "policy_binding", "error_type"}))
	mutatingDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_mutating_admission_policy_check_duration_seconds",
		Help:    "Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.",
		Buckets: expressionBuckets,
	}, []string{"policy", "policy_binding", "error_type"}))
)

// The types of errors.
const (
	noError      = "no_error"
	compileError = "compile_error"
	outOfBudget  = "out_of_budget"
	invalidError = "invalid_error"
)

// actions are the labels of what a binding does.
var actions = map[admissionregistrationv1.ValidationAction]string{
	admissionregistrationv1.Deny: "deny", admissionregistrationv1.Warn: "warn", admissionregistrationv1.Audit: "audit",
}

// allowed is the action for what went wrong and does not matter.
const allowed = "allow"

// observeValidation notes what a validation said that was not met, or failed.
func observeValidation(policy, binding string, d *decision, action string) {
	kind := noError
	if d.failed {
		kind = errorKind(d.message)
	}
	validatingChecks.WithLabelValues(policy, binding, kind, action).Inc()
	validatingDurations.WithLabelValues(policy, binding, kind, action).Observe(d.took.Seconds())
}

// errorKind tells the type of an error by its words, as Kubernetes does.
func errorKind(message string) string {
	switch {
	case strings.HasPrefix(message, "compilation"):
		return compileError
	case strings.HasPrefix(message, "validation failed due to running out of cost budget"):
		return outOfBudget
	}
	return invalidError
}

// observeMutation notes a mutation.
func observeMutation(policy, binding string, took time.Duration, err error) {
	kind := noError
	switch {
	case err == nil:
	case errors.Is(err, apiservercel.ErrOutOfBudget):
		kind = outOfBudget
	default:
		kind = errorKind(err.Error())
	}
	mutatingChecks.WithLabelValues(policy, binding, kind).Inc()
	mutatingDurations.WithLabelValues(policy, binding, kind).Observe(took.Seconds())
}
