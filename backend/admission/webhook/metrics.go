package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The names, labels and buckets are kube-apiserver's.
var (
	durations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_admission_webhook_admission_duration_seconds",
		Help:    "Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
		Buckets: []float64{0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25},
	}, []string{"name", "type", "operation", "rejected"}))
	requests = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_admission_webhook_request_total",
		Help: "Admission webhook request total, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.",
	}, []string{"name", "type", "operation", "code", "rejected"}))
	rejections = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_admission_webhook_rejection_count",
		Help: "Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.",
	}, []string{"name", "type", "operation", "error_type", "rejection_code"}))
	failedOpen = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_admission_webhook_fail_open_count",
		Help: "Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).",
	}, []string{"name", "type"}))
)

// The steps as metrics call them.
const (
	admit      = "admit"
	validating = "validating"
)

// rejection is the word of a webhook that said no.
type rejection struct{ *apierrors.StatusError }

// said gives the error that goes to the client.
func said(err error) error {
	var no *rejection
	if errors.As(err, &no) {
		return no.StatusError
	}
	return err
}

// observe notes a call that began at some time and what came of it.
func observe(h *hook, step string, op admission.Operation, began time.Time, err error) {
	took := time.Since(began).Seconds()
	code, kind := http.StatusOK, ""
	rejected := err != nil
	var failed *callError
	var no *rejection
	switch {
	case err == nil:
	case errors.As(err, &failed):
		code, kind = failed.code(), "calling_webhook_error"
		rejected = !h.ignore
		if errors.Is(err, context.Canceled) {
			kind = ""
		}
	case errors.As(err, &no):
		code, kind = int(no.ErrStatus.Code), "no_error"
	default:
		code, kind = 0, "apiserver_internal_error"
	}
	if code > 600 {
		code = 600
	}
	yesNo := strconv.FormatBool(rejected)
	durations.WithLabelValues(h.name, step, string(op), yesNo).Observe(took)
	requests.WithLabelValues(h.name, step, string(op), strconv.Itoa(code), yesNo).Inc()
	if rejected && kind != "" {
		rejections.WithLabelValues(h.name, step, string(op), kind, strconv.Itoa(code)).Inc()
	}
}

// code is the status that stands for a failed call.
func (e *callError) code() int {
	var status *apierrors.StatusError
	switch {
	case e.bad:
		return http.StatusBadRequest
	case errors.As(e.reason, &status):
		return int(status.ErrStatus.Code)
	}
	return http.StatusServiceUnavailable
}
