package registry

import (
	"context"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/klog/v2"
)

// measured is the Registry whose figures are served: the last one made.
var measured atomic.Pointer[Registry]

var readWaits = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "apiserver_watch_cache_read_wait_seconds",
	Help:    "Histogram of time spent waiting for a watch cache to become fresh.",
	Buckets: []float64{0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3},
}, []string{"group", "resource"}))

// waited notes a read that had to wait for a revision.
func (s *Store) waited(since time.Time) {
	readWaits.WithLabelValues(s.gr.Group, s.gr.Resource).Observe(time.Since(since).Seconds())
}

// figures gives what the caches know when somebody asks, so that writes and
// watches do not pay for it.
type figures struct{}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	objectsDesc    = describe("apiserver_resource_objects", "Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.", "group", "resource")
	oldObjectsDesc = describe("apiserver_storage_objects", "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.", "resource")
	bytesDesc      = describe("apiserver_resource_size_estimate_bytes", "Estimated size of stored objects in database. Estimate is based on sum of last observed sizes of serialized objects. In case of a fetching error, the value will be -1.", "group", "resource")
	eventsDesc     = describe("apiserver_storage_events_received_total", "Number of etcd events received split by kind.", "group", "resource")
	receivedDesc   = describe("apiserver_watch_cache_events_received_total", "Counter of events received in watch cache broken by resource type.", "group", "resource")
	dispatchedDesc = describe("apiserver_watch_cache_events_dispatched_total", "Counter of events dispatched in watch cache broken by resource type.", "group", "resource")
	initialized    = describe("apiserver_watch_cache_initializations_total", "Counter of watch cache initializations broken by resource type.", "group", "resource")
	revisionDesc   = describe("apiserver_watch_cache_resource_version", "Current resource version of watch cache broken by resource type. This is truncated to the 15 least significant digits.", "group", "resource")
	capacityDesc   = describe("watch_cache_capacity", "Total capacity of watch cache broken by resource type.", "group", "resource")
	expiredDesc    = describe("apiserver_terminated_watchers_total", "Counter of watchers closed due to unresponsiveness broken by resource type.", "group", "resource")
	sizeDesc       = describe("apiserver_storage_size_bytes", "Size of the storage database file physically allocated in bytes.", "storage_cluster_id")
)

// After the descriptions: they are made in this order.
var _ = metrics.Register[prometheus.Collector](figures{})

// Describe tells what there can be.
func (figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{objectsDesc, oldObjectsDesc, bytesDesc, eventsDesc, receivedDesc, dispatchedDesc, initialized, revisionDesc, capacityDesc, expiredDesc, sizeDesc} {
		out <- d
	}
}

// Collect gives the figures of now.
func (figures) Collect(out chan<- prometheus.Metric) {
	r := measured.Load()
	if r == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for gr, store := range r.Table().stores {
		if store.resource.sharesCache() {
			continue
		}
		s := store.cache.Stats()
		gauge(objectsDesc, float64(s.Objects), gr.Group, gr.Resource)
		gauge(oldObjectsDesc, float64(s.Objects), gr.String())
		gauge(bytesDesc, float64(s.Bytes), gr.Group, gr.Resource)
		counter(eventsDesc, s.Received, gr.Group, gr.Resource)
		counter(receivedDesc, s.Received, gr.Group, gr.Resource)
		counter(dispatchedDesc, s.Dispatched, gr.Group, gr.Resource)
		counter(initialized, 1, gr.Group, gr.Resource)
		gauge(revisionDesc, float64(s.Revision%1_000_000_000_000_000), gr.Group, gr.Resource)
		gauge(capacityDesc, float64(s.Capacity), gr.Group, gr.Resource)
		counter(expiredDesc, s.Expired, gr.Group, gr.Resource)
	}
	if size, ok := r.size(); ok {
		gauge(sizeDesc, float64(size), "etcd-0")
	}
}

// sizeWait is how long the storage may take to tell its size.
const sizeWait = time.Second

func (r *Registry) size() (int64, bool) {
	sizer, ok := r.o.Engine.(storage.Sizer)
	if !ok {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), sizeWait)
	defer cancel()
	size, err := sizer.Size(ctx)
	if err != nil {
		klog.V(2).InfoS("Storage does not tell its size", "err", err)
	}
	return size, err == nil
}
