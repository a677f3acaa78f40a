package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
)

// queueBuckets are those of client-go's queues, in seconds.
var queueBuckets = prometheus.ExponentialBuckets(10e-9, 10, 12)

var (
	queueDepth = Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "workqueue_depth", Help: "Current depth of workqueue",
	}, []string{"name"}))
	queueAdds = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "workqueue_adds_total", Help: "Total number of adds handled by workqueue",
	}, []string{"name"}))
	queueRetries = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "workqueue_retries_total", Help: "Total number of retries handled by workqueue",
	}, []string{"name"}))
	queueWait = Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "workqueue_queue_duration_seconds", Buckets: queueBuckets,
		Help: "How long in seconds an item stays in workqueue before being requested.",
	}, []string{"name"}))
	queueWork = Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "workqueue_work_duration_seconds", Buckets: queueBuckets,
		Help: "How long in seconds processing an item from workqueue takes.",
	}, []string{"name"}))
)

// NewQueue gives a work queue that Kubernetes' workqueue_ metrics tell of under a
// name; queues of one name share them. client-go's own metrics wake up twice a
// second for each queue, these only count: what goes on for how long is found
// out when somebody asks.
func NewQueue[K comparable](name string, limiter workqueue.TypedRateLimiter[K]) workqueue.TypedRateLimitingInterface[K] {
	f := queueFiguresOf(name)
	inner := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[K]{Queue: &line[K]{figures: f}})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[K]{Queue: inner})
	return &queue[K]{
		TypedRateLimitingInterface: workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[K]{DelayingQueue: delaying}),
		figures:                    f,
	}
}

// queue counts what its workers do.
type queue[K comparable] struct {
	workqueue.TypedRateLimitingInterface[K]
	figures *queueFigures
}

// Get gives the next key; its work begins.
func (q *queue[K]) Get() (K, bool) {
	key, shut := q.TypedRateLimitingInterface.Get()
	if !shut {
		q.figures.begin(running{q, key})
	}
	return key, shut
}

// Done ends the work on a key.
func (q *queue[K]) Done(key K) {
	q.figures.end(running{q, key})
	q.TypedRateLimitingInterface.Done(key)
}

// AddAfter adds a key after a while.
func (q *queue[K]) AddAfter(key K, d time.Duration) {
	q.figures.retries.Inc()
	q.TypedRateLimitingInterface.AddAfter(key, d)
}

// AddRateLimited adds a key again when the limiter lets it.
func (q *queue[K]) AddRateLimited(key K) {
	q.figures.retries.Inc()
	q.TypedRateLimitingInterface.AddRateLimited(key)
}

// line is the keys of a queue in their order, with when they came. The queue's
// lock is held whenever one of its methods is called.
type line[K comparable] struct {
	figures *queueFigures
	waiting []waiting[K]
}

type waiting[K comparable] struct {
	key   K
	since time.Time
}

// Touch is for queues whose order can change.
func (l *line[K]) Touch(K) {}

// Push puts a key at the end.
func (l *line[K]) Push(key K) {
	l.figures.adds.Inc()
	l.figures.depth.Inc()
	l.waiting = append(l.waiting, waiting[K]{key, time.Now()})
}

// Len is how many keys wait.
func (l *line[K]) Len() int { return len(l.waiting) }

// Pop takes the first key.
func (l *line[K]) Pop() K {
	first := l.waiting[0]
	l.waiting[0] = waiting[K]{} // or its key would be kept in memory
	l.waiting = l.waiting[1:]
	l.figures.depth.Dec()
	l.figures.wait.Observe(time.Since(first.since).Seconds())
	return first.key
}

// queueFigures are the metrics of the queues of one name.
type queueFigures struct {
	name          string
	depth         prometheus.Gauge
	adds, retries prometheus.Counter
	wait, work    prometheus.Observer

	mu  sync.Mutex // guards the map
	now map[running]time.Time
}

// running is a key that a worker of a queue works on.
type running struct{ queue, key any }

func (f *queueFigures) begin(r running) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[r] = time.Now()
}

func (f *queueFigures) end(r running) {
	f.mu.Lock()
	began, ok := f.now[r]
	delete(f.now, r)
	f.mu.Unlock()
	if ok {
		f.work.Observe(time.Since(began).Seconds())
	}
}

// unfinished is how long all work that goes on has taken, and the longest of it.
func (f *queueFigures) unfinished() (all, longest time.Duration) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, began := range f.now {
		took := now.Sub(began)
		all, longest = all+took, max(longest, took)
	}
	return all, longest
}

var queues struct {
	sync.Mutex // guards named
	named      map[string]*queueFigures
}

func queueFiguresOf(name string) *queueFigures {
	queues.Lock()
	defer queues.Unlock()
	f := queues.named[name]
	if f == nil {
		f = &queueFigures{
			name: name, depth: queueDepth.WithLabelValues(name), adds: queueAdds.WithLabelValues(name), retries: queueRetries.WithLabelValues(name),
			wait: queueWait.WithLabelValues(name), work: queueWork.WithLabelValues(name), now: map[running]time.Time{},
		}
		if queues.named == nil {
			queues.named = map[string]*queueFigures{}
		}
		queues.named[name] = f
	}
	return f
}

// unfinishedWork tells of the work that goes on, when it is asked.
type unfinishedWork struct{}

var (
	unfinishedDesc = prometheus.NewDesc("workqueue_unfinished_work_seconds", "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.", []string{"name"}, nil)
	longestDesc    = prometheus.NewDesc("workqueue_longest_running_processor_seconds", "How many seconds has the longest running processor for workqueue been running.", []string{"name"}, nil)
)

// After the descriptions: they are made in this order.
var _ = Register[prometheus.Collector](unfinishedWork{})

// Describe tells what there is.
func (unfinishedWork) Describe(out chan<- *prometheus.Desc) {
	out <- unfinishedDesc
	out <- longestDesc
}

// Collect gives the figures of now.
func (unfinishedWork) Collect(out chan<- prometheus.Metric) {
	queues.Lock()
	defer queues.Unlock()
	for _, f := range queues.named {
		all, longest := f.unfinished()
		out <- prometheus.MustNewConstMetric(unfinishedDesc, prometheus.GaugeValue, all.Seconds(), f.name)
		out <- prometheus.MustNewConstMetric(longestDesc, prometheus.GaugeValue, longest.Seconds(), f.name)
	}
}
