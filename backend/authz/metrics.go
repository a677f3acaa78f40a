package authz

import (
	"context"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

var decisions = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "apiserver_authorization_decisions_total",
	Help: "Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.",
}, []string{"type", "name", "decision"}))

// Counted counts what a allows and denies, under kube-apiserver's names.
func Counted(kind, name string, a Authorizer) Authorizer {
	allowed, denied := decisions.WithLabelValues(kind, name, "allowed"), decisions.WithLabelValues(kind, name, "denied")
	return Func(func(ctx context.Context, at *Attributes) (Decision, string, error) {
		decision, reason, err := a.Authorize(ctx, at)
		switch decision {
		case Allow:
			allowed.Inc()
		case Deny:
			denied.Inc()
		}
		return decision, reason, err
	})
}
