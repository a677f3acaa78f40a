package flowcontrol

import (
	"sync/atomic"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// current is the Controller whose figures are served: the last one made.
var current atomic.Pointer[Controller]

func register(c *Controller) { current.Store(c) }

// collector reads the figures when somebody asks, so that requests do not pay
// for them.
type collector struct{}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("apiserver_flowcontrol_"+name, help, labels, nil)
}

var (
	dispatchedDesc = describe("dispatched_requests_total", "Number of requests executed by API Priority and Fairness subsystem.", "priority_level", "flow_schema")
	rejectedDesc   = describe("rejected_requests_total", "Number of requests rejected by API Priority and Fairness subsystem.", "priority_level", "flow_schema", "reason")
	inQueueDesc    = describe("current_inqueue_requests", "Number of requests currently pending in queues of a priority level.", "priority_level")
	executingDesc  = describe("current_executing_requests", "Number of requests of a priority level that are being executed.", "priority_level")
	seatsDesc      = describe("current_executing_seats", "Seats in use by the requests of a priority level.", "priority_level")
	nominalDesc    = describe("nominal_limit_seats", "Nominal number of execution seats configured for each priority level.", "priority_level")
	limitDesc      = describe("current_limit_seats", "Number of seats that a priority level may use at the moment.", "priority_level")
	waitsDesc      = describe("request_waits_total", "Number of requests of a priority level that waited in a queue and then ran.", "priority_level")
	waitedDesc     = describe("request_wait_seconds_total", "Seconds that requests of a priority level waited in queues before they ran.", "priority_level")
)

// After the descriptions: they are made in this order.
var _ = metrics.Register[prometheus.Collector](collector{})

// Describe tells what there can be.
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{dispatchedDesc, rejectedDesc, inQueueDesc, executingDesc, seatsDesc, nominalDesc, limitDesc, waitsDesc, waitedDesc} {
		out <- d
	}
}

// Collect gives the figures of now.
func (collector) Collect(out chan<- prometheus.Metric) {
	c := current.Load()
	if c == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, s := range c.rules.Load().schemas {
		counter(dispatchedDesc, float64(s.dispatched.Load()), s.level.name, s.name)
		for reason, n := range map[string]*atomic.Int64{errFull.Error(): &s.refusedFull, errBusy.Error(): &s.refusedBusy, errTimeout.Error(): &s.refusedLate} {
			if n := n.Load(); n > 0 {
				counter(rejectedDesc, float64(n), s.level.name, s.name, reason)
			}
		}
	}
	for _, l := range c.snapshot() {
		gauge(inQueueDesc, float64(l.waiting), l.name)
		gauge(executingDesc, float64(l.executing), l.name)
		gauge(seatsDesc, float64(l.inUse), l.name)
		gauge(nominalDesc, float64(l.nominal), l.name)
		gauge(limitDesc, float64(l.limit), l.name)
		counter(waitsDesc, float64(l.waits.n), l.name)
		counter(waitedDesc, l.waits.seconds, l.name)
	}
}
