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

	certificateLife = metrics.Register(prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "apiserver_client_certificate_expiration_seconds",
		Help:    "Distribution of the remaining lifetime on the certificate used to authenticate a request.",
		Buckets: []float64{0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000},
	}))

	cacheRequests = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authentication_token_cache_request_total", Help: "Counter of questions about tokens, by whether the answer was remembered.",
	}, []string{"status"}))
	cacheDurations = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "authentication_token_cache_request_duration_seconds", Help: "Duration of questions about tokens, by whether the answer was remembered.",
		Buckets: prometheus.DefBuckets,
	}, []string{"status"}))
	cacheFetches = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authentication_token_cache_fetch_total", Help: "Counter of look-ups of tokens, by how they ended.",
	}, []string{"status"}))
	cacheActive = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "authentication_token_cache_active_fetch_count", Help: "Number of look-ups of tokens at this moment, and of requests that wait for one.",
	}, []string{"status"}))

	cacheHits, cacheMisses       = cacheRequests.WithLabelValues("hit"), cacheRequests.WithLabelValues("miss")
	hitDurations, missDurations  = cacheDurations.WithLabelValues("hit"), cacheDurations.WithLabelValues("miss")
	fetchesGood, fetchesErred    = cacheFetches.WithLabelValues("ok"), cacheFetches.WithLabelValues("error")
	fetchesInFlight, fetchesWait = cacheActive.WithLabelValues("in_flight"), cacheActive.WithLabelValues("blocked")
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
