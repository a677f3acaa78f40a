package audit

import (
	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/klog/v2"
)

// The metrics have kube-apiserver's names.
var (
	events = metrics.Register(prometheus.NewCounter(prometheus.CounterOpts{
		Name: "apiserver_audit_event_total", Help: "Counter of audit events generated and sent to the audit backend.",
	}))
	lost = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_audit_error_total",
		Help: "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
	}, []string{"plugin"}))
	rejected = metrics.Register(prometheus.NewCounter(prometheus.CounterOpts{
		Name: "apiserver_audit_requests_rejected_total", Help: "Counter of apiserver requests rejected due to an error in audit logging backend.",
	}))
	byLevel = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_audit_level_total", Help: "Counter of policy levels for audit events (1 per request).",
	}, []string{"level"}))

	levelCounts = func() map[auditv1.Level]prometheus.Counter {
		all := map[auditv1.Level]prometheus.Counter{}
		for _, l := range allLevels {
			all[l] = byLevel.WithLabelValues(string(l))
		}
		return all
	}()
)

// loseLate counts an event that came after the end. Only the first is logged:
// whatever still makes requests then makes many.
func loseLate(plugin string, first bool) {
	lost.WithLabelValues(plugin).Inc()
	if first {
		klog.ErrorS(errClosed, "An audit event is lost, as will be those after it", "plugin", plugin)
	}
}

// lose counts events that a plugin could not keep.
func lose(plugin string, n int, err error) {
	lost.WithLabelValues(plugin).Add(float64(n))
	klog.ErrorS(err, "Audit events are lost", "plugin", plugin, "events", n)
}
