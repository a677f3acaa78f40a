package watchcache

import (
	"runtime"
	"strings"
	"sync"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// loader fills caches at start: records come from one goroutine in key order,
// are decoded by several, and go into the trees in key order again.
type loader struct {
	hub     *Hub
	current *chunk
	work    chan *chunk
	order   chan *chunk
	workers sync.WaitGroup
	placed  chan struct{}
}

// chunk is some records of one resource.
type chunk struct {
	cache   *Cache
	records []storage.Record
	objects []*Object // nil where a record cannot be read
	decoded chan struct{}
}

const chunkSize = 256

func (h *Hub) newLoader() *loader {
	n := runtime.GOMAXPROCS(0)
	l := &loader{
		hub:    h,
		work:   make(chan *chunk, 2*n),
		order:  make(chan *chunk, 2*n),
		placed: make(chan struct{}),
	}
	for range n {
		l.workers.Go(metrics.Guarded("watch", l.decode))
	}
	go metrics.Guarded("watch", l.place)()
	return l
}

// take takes the next record.
func (l *loader) take(rec storage.Record) {
	c := l.current
	if c == nil || len(c.records) == chunkSize || !strings.HasPrefix(rec.Key, c.cache.prefix) {
		l.flush()
		l.hub.mu.Lock()
		cache := l.hub.lookup(rec.Key)
		l.hub.mu.Unlock()
		if cache == nil {
			return
		}
		c = &chunk{cache: cache, decoded: make(chan struct{})}
		l.current = c
	}
	c.records = append(c.records, rec)
}

func (l *loader) flush() {
	if l.current != nil {
		l.work <- l.current
		l.order <- l.current
		l.current = nil
	}
}

// close waits until everything is in its place.
func (l *loader) close() {
	l.flush()
	close(l.work)
	close(l.order)
	l.workers.Wait()
	<-l.placed
}

func (l *loader) decode() {
	for c := range l.work {
		c.decode()
	}
}

// decode reads the records; one over which it panics is left out.
func (c *chunk) decode() {
	defer close(c.decoded)
	c.objects = make([]*Object, len(c.records))
	for i, rec := range c.records {
		metrics.Guarded("watch", func() { c.objects[i] = c.cache.readRecord(rec) })()
	}
}

func (l *loader) place() {
	defer close(l.placed)
	for c := range l.order {
		<-c.decoded
		l.hub.mu.Lock()
		for _, o := range c.objects {
			if o != nil {
				metrics.Guarded("watch", func() { c.cache.place(o) })()
			}
		}
		l.hub.mu.Unlock()
	}
}

// readRecord gives a record's object, nil when it cannot be read: that is
// logged, and the others are served.
func (c *Cache) readRecord(rec storage.Record) *Object {
	o, err := c.read(rec.Key[len(c.prefix):], rec.Value, rec.Revision, nil, nil)
	if err != nil {
		klog.ErrorS(err, "Stored object left out: it cannot be read", "key", rec.Key, "revision", rec.Revision)
		return nil
	}
	return o
}
