package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kubernetes' names for calls of storage say etcd whatever the storage is; so do
// dashboards and alerts that are made for them.
var (
	storageLabels    = []string{"operation", "group", "resource"}
	storageDurations = Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "etcd_request_duration_seconds", Help: "Etcd request latency in seconds for each operation and object type.",
		Buckets: []float64{0.0005, 0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60},
	}, storageLabels))
	storageCalls = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_requests_total", Help: "Etcd request counts for each operation and object type.",
	}, storageLabels))
	storageErrors = Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_request_errors_total", Help: "Etcd failed request counts for each operation and object type.",
	}, storageLabels))
)

// Storage counts and times calls of the storage engine for one resource.
type Storage struct {
	group, resource string
	operations      [len(operationNames)]struct {
		once          sync.Once
		took          prometheus.Observer
		calls, failed prometheus.Counter
	}
}

// Operation is what is asked of storage.
type Operation int

// The operations, with the names that Kubernetes' metrics have for them.
const (
	StorageCreate Operation = iota
	StorageUpdate
	StorageDelete
	StorageGet
	StorageList
	StorageHistory
)

var operationNames = [...]string{
	StorageCreate: "create", StorageUpdate: "update", StorageDelete: "delete", StorageGet: "get", StorageList: "list", StorageHistory: "history",
}

// NewStorage gives the figures of a resource; two of one resource share them.
func NewStorage(group, resource string) *Storage { return &Storage{group: group, resource: resource} }

// Called notes a call that began at a time and has ended now.
func (s *Storage) Called(o Operation, began time.Time, err error) {
	op := &s.operations[o]
	op.once.Do(func() {
		labels := []string{operationNames[o], s.group, s.resource}
		op.took, op.calls, op.failed = storageDurations.WithLabelValues(labels...), storageCalls.WithLabelValues(labels...), storageErrors.WithLabelValues(labels...)
	})
	op.took.Observe(time.Since(began).Seconds())
	op.calls.Inc()
	if err != nil {
		op.failed.Inc()
	}
}
