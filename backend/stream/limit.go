package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var (
	openStreams = metrics.Register(prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pilothouse_node_streams", Help: "Logs, commands, forwarded ports and proxied requests that are open to nodes and pods.",
	}))
	refusedStreams = metrics.Register(prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pilothouse_node_streams_refused_total", Help: "Streams to nodes and pods that were refused because too many were open.",
	}))
)

// limiter bounds the streams that are open at the same time. Each costs both
// connections and some memory for as long as it lasts, however idle it is.
type limiter struct {
	most int64
	open atomic.Int64
}

// enter takes a place; leave gives it back, once however often it is called.
func (l *limiter) enter(u *request.User) (leave func(), err error) {
	if n := l.open.Add(1); l.most > 0 && n > l.most && !u.InGroup(request.GroupMasters) {
		l.open.Add(-1)
		refusedStreams.Inc()
		return nil, apierrors.NewTooManyRequests("Too many streams are open, please try again later.", 1)
	}
	openStreams.Inc()
	var once sync.Once
	return func() {
		once.Do(func() {
			l.open.Add(-1)
			openStreams.Dec()
		})
	}, nil
}

// limited counts what a Connect opens until it has ended. Those who may do
// everything are let through, so that a server that is full can be looked at.
func (s *Server) limited(connect registry.Connect) registry.Connect {
	return func(ctx context.Context, c registry.Call, r *request.Request) (*request.Response, error) {
		leave, err := s.limit.enter(r.User)
		if err != nil {
			return nil, err
		}
		p, err := connect(ctx, c, r)
		begin := lease(leave)
		if err != nil || !p.DuringStream(begin) {
			begin()()
		}
		return p, err
	}
}

// lease gives a place back when nobody begins to use it: a client may go before
// its response is sent.
func lease(leave func()) (begin func() (end func())) {
	t := time.AfterFunc(handover, leave)
	return func() func() {
		t.Stop()
		return leave
	}
}
