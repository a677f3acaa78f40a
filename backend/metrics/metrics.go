// Package metrics owns the process's Prometheus registry and the metrics of the
// request path, under the names that kube-apiserver gives them. Other packages
// add theirs to Registry. It imports nothing of the server but packages
// request and version.
package metrics

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/version"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Registry holds every metric of the process.
var Registry = newRegistry()

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	i := version.Info()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kubernetes_build_info",
		Help: "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
		ConstLabels: prometheus.Labels{
			"major": i.Major, "minor": i.Minor, "git_version": i.GitVersion, "git_commit": i.GitCommit, "git_tree_state": i.GitTreeState,
			"build_date": i.BuildDate, "go_version": i.GoVersion, "compiler": i.Compiler, "platform": i.Platform,
		},
	})
	build.Set(1)
	r.MustRegister(build)
	return r
}

// Register adds collectors to Registry and gives back the first.
func Register[T prometheus.Collector](c T) T {
	Registry.MustRegister(c)
	return c
}

var (
	requests = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_request_total",
		Help: "Counter of apiserver requests broken out for each verb, group, version, resource, scope, component, and HTTP response code.",
	}, []string{"verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component", "code"}))

	durations = Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_request_duration_seconds",
		Help:    "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and component.",
		Buckets: []float64{0.0005, 0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60},
	}, []string{"verb", "group", "version", "resource", "subresource", "scope", "component"}))

	inFlight = Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_current_inflight_requests",
		Help: "Number of requests being handled, by request kind.",
	}, []string{"request_kind"}))
	readingNow, mutatingNow = inFlight.WithLabelValues("readOnly"), inFlight.WithLabelValues("mutating")

	longRunning = Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_longrunning_requests",
		Help: "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.",
	}, []string{"verb", "group", "version", "resource", "subresource", "scope", "component"}))
)

// maxSeries bounds how many different kinds of request are told apart: paths
// come from clients, and each kind costs memory for ever.
const maxSeries = 4000

// kind is what the series of one request have in common.
type kind struct{ verb, group, version, resource, subresource, scope string }

// series are the metrics of one kind, looked up once.
type series struct {
	kind     kind
	duration prometheus.Observer
	codes    sync.Map // int -> prometheus.Counter
}

var (
	known  sync.Map // kind -> *series
	counts atomic.Int64
	other  = newSeries(kind{verb: "other", resource: "other"})
)

// RequestBegins counts a request in, and out again when the function that it
// gives is called with the response's status and the time that it took. Only
// what was found counts under its own name.
func RequestBegins(info *request.Info) (done func(status int, took time.Duration)) {
	if info.LongRunning() {
		return func(status int, took time.Duration) { observe(info, status, 0) }
	}
	gauge := readingNow
	if info.Mutating() {
		gauge = mutatingNow
	}
	gauge.Inc()
	return func(status int, took time.Duration) {
		gauge.Dec()
		observe(info, status, took)
	}
}

// StreamBegins counts a stream that was granted in and, by the function that it
// gives, out.
func StreamBegins(info *request.Info) (ended func()) {
	k := kindOf(info)
	g := longRunning.WithLabelValues(k.verb, k.group, k.version, k.resource, k.subresource, k.scope, "apiserver")
	g.Inc()
	return g.Dec
}

func observe(info *request.Info, status int, took time.Duration) {
	s := seriesOf(info, status)
	s.counter(status).Inc()
	if took > 0 {
		s.duration.Observe(took.Seconds())
	}
}

func seriesOf(info *request.Info, status int) *series {
	k := kindOf(info)
	if s, ok := known.Load(k); ok {
		return s.(*series)
	}
	if status >= 400 || counts.Load() >= maxSeries {
		return other
	}
	s, loaded := known.LoadOrStore(k, newSeries(k))
	if !loaded {
		counts.Add(1)
	}
	return s.(*series)
}

func newSeries(k kind) *series {
	return &series{kind: k, duration: durations.WithLabelValues(k.verb, k.group, k.version, k.resource, k.subresource, k.scope, "apiserver")}
}

func (s *series) counter(status int) prometheus.Counter {
	if c, ok := s.codes.Load(status); ok {
		return c.(prometheus.Counter)
	}
	k := s.kind
	c := requests.WithLabelValues(k.verb, "", k.group, k.version, k.resource, k.subresource, k.scope, "apiserver", strconv.Itoa(status))
	s.codes.Store(status, c)
	return c
}

// verbs are the names that the metrics have for the verbs of a request.
var verbs = map[string]string{
	"get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT", "patch": "PATCH",
	"delete": "DELETE", "deletecollection": "DELETECOLLECTION", "proxy": "CONNECT",
	"post": "POST", "put": "PUT", "head": "HEAD", "options": "OPTIONS",
}

func kindOf(info *request.Info) kind {
	verb, ok := verbs[info.Verb]
	if !ok {
		verb = "other"
	}
	if !info.IsResource {
		return kind{verb: verb}
	}
	scope := "cluster"
	switch {
	case info.Name != "" || info.Verb == "create":
		scope = "resource"
	case info.Namespace != "":
		scope = "namespace"
	}
	return kind{verb, info.Group, info.Version, info.Resource, info.Subresource, scope}
}

// Text gives all metrics in the text format of Prometheus, and its media type.
func Text() (body []byte, contentType string, err error) {
	families, err := Registry.Gather()
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	e := expfmt.NewEncoder(&out, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return nil, "", err
		}
	}
	return out.Bytes(), string(format), nil
}
