package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// WatchEvents counts the events that go to those who watch one resource. There
// may be very many of them, so an event costs two additions, and what is made of
// them is made when somebody asks.
type WatchEvents struct {
	gvr   schema.GroupVersionResource
	bytes atomic.Uint64
	sizes [len(watchSizes) + 1]atomic.Uint64 // by bucket, the last one has no bound
}

// watchSizes are the bounds of the buckets in bytes, kube-apiserver's.
var watchSizes = [...]int{1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10}

var watched sync.Map // schema.GroupVersionResource -> *WatchEvents

// WatchEventsOf gives the counter of a resource, which must be one that is there:
// it is kept for ever.
func WatchEventsOf(gvr schema.GroupVersionResource) *WatchEvents {
	if w, ok := watched.Load(gvr); ok {
		return w.(*WatchEvents)
	}
	w, _ := watched.LoadOrStore(gvr, &WatchEvents{gvr: gvr})
	return w.(*WatchEvents)
}

// Sent counts an event of so many bytes.
func (w *WatchEvents) Sent(size int) {
	i := 0
	for i < len(watchSizes) && size > watchSizes[i] {
		i++
	}
	w.sizes[i].Add(1)
	w.bytes.Add(uint64(size))
}

var (
	watchLabels    = []string{"group", "version", "resource"}
	watchTotalDesc = prometheus.NewDesc("apiserver_watch_events_total", "Number of events sent in watch clients", watchLabels, nil)
	watchSizesDesc = prometheus.NewDesc("apiserver_watch_events_sizes", "Watch event size distribution in bytes", watchLabels, nil)
)

// watchCollector gives all of them.
type watchCollector struct{}

// After the descriptions: they are made in this order.
var _ = Register[prometheus.Collector](watchCollector{})

// Describe tells what there is.
func (watchCollector) Describe(out chan<- *prometheus.Desc) {
	out <- watchTotalDesc
	out <- watchSizesDesc
}

// Collect gives the figures of now.
func (watchCollector) Collect(out chan<- prometheus.Metric) {
	watched.Range(func(_, v any) bool {
		w := v.(*WatchEvents)
		total, buckets := uint64(0), make(map[float64]uint64, len(watchSizes))
		for i := range w.sizes {
			total += w.sizes[i].Load()
			if i < len(watchSizes) {
				buckets[float64(watchSizes[i])] = total
			}
		}
		labels := []string{w.gvr.Group, w.gvr.Version, w.gvr.Resource}
		out <- prometheus.MustNewConstMetric(watchTotalDesc, prometheus.CounterValue, float64(total), labels...)
		out <- prometheus.MustNewConstHistogram(watchSizesDesc, total, float64(w.bytes.Load()), buckets, labels...)
		return true
	})
}
