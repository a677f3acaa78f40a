package stream

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"pilothouse/backend/metrics"
)

// exchange is a request to a node or pod that may be answered late: a kubelet
// says nothing about a log that it follows before there is a line.
type exchange struct {
	cancel context.CancelFunc
	sent   chan struct{} // closed when the backend has the request
	done   chan struct{} // closed when resp or err is set
	resp   *http.Response
	err    error
}

// begin sends a request. It goes on when ctx ends, until cancel.
func begin(ctx context.Context, req *http.Request, transport http.RoundTripper) *exchange {
	e := &exchange{sent: make(chan struct{}), done: make(chan struct{})}
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var once sync.Once
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				once.Do(func() { close(e.sent) })
			}
		},
	})
	go func() {
		defer close(e.done)
		e.err = metrics.Protected("stream", func() (err error) {
			e.resp, err = transport.RoundTrip(req.WithContext(ctx))
			return err
		})
	}()
	return e
}

// answered waits for the answer, or until the backend has had the request for
// as long as patience. It is false when there is no answer yet; then the
// exchange goes on. The end of ctx cancels it.
func (e *exchange) answered(ctx context.Context, patience time.Duration) bool {
	select {
	case <-e.done:
		return true
	case <-ctx.Done():
		e.cancel()
		<-e.done
		return true
	case <-e.sent:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-e.done:
		return true
	case <-ctx.Done():
		e.cancel()
		<-e.done
		return true
	case <-t.C:
		return false
	}
}

// wait waits for the answer; the end of ctx cancels the exchange.
func (e *exchange) wait(ctx context.Context) (*http.Response, error) {
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	<-e.done
	return e.resp, e.err
}

// end frees the backend's side.
func (e *exchange) end() {
	e.cancel()
	<-e.done
	if e.err == nil {
		e.resp.Body.Close()
	}
}

// lend gives a func that takes the exchange over from a timer that ends it: a
// response that is never used must not hold a backend. It is false when the
// timer was first.
func (e *exchange) lend() (take func() bool) {
	t := time.AfterFunc(handover, e.end)
	return t.Stop
}
