package authn

import (
	"context"
	"strings"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	usersSeen = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authenticated_user_requests", Help: "Counter of authenticated requests broken out by username.",
	}, []string{"username"}))
	attempts = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authentication_attempts", Help: "Counter of authenticated attempts.",
	}, []string{"result"}))
	durations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "authentication_duration_seconds", Help: "Authentication duration in seconds broken out by result.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
	}, []string{"result"}))
)

// outcome is the series of one result, looked up once.
type outcome struct {
	count prometheus.Counter
	took  prometheus.Observer
}

func outcomeOf(result string) outcome {
	return outcome{attempts.WithLabelValues(result), durations.WithLabelValues(result)}
}

var (
	succeeded, failed, erred = outcomeOf("success"), outcomeOf("failure"), outcomeOf("error")

	otherUsers, mailUsers = usersSeen.WithLabelValues("other"), usersSeen.WithLabelValues("email_id")
	namedUsers            = countersOf("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default")
)

func countersOf(names ...string) map[string]prometheus.Counter {
	all := map[string]prometheus.Counter{}
	for _, name := range names {
		all[name] = usersSeen.WithLabelValues(name)
	}
	return all
}

// Counted counts what a does, under kube-apiserver's names.
func Counted(a Authenticator, now func() time.Time) Authenticator {
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		start := now()
		user, err := a.Authenticate(ctx, r)
		o := succeeded
		switch {
		case err != nil:
			o = erred
		case user == nil:
			o = failed
		default:
			counterOf(user.Name).Inc()
		}
		o.count.Inc()
		o.took.Observe(now().Sub(start).Seconds())
		return user, err
	})
}

// counterOf keeps names out of the metrics, but for those that everybody has.
func counterOf(name string) prometheus.Counter {
	if c, ok := namedUsers[name]; ok {
		return c
	}
	if strings.Contains(name, "@") {
		return mailUsers
	}
	return otherUsers
}
