package loop

import (
	"context"
	"time"

	"pilothouse/backend/metrics"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// Queue hands keys to workers: each key to one worker at a time, failed ones
// again after a growing wait.
type Queue[K comparable] struct {
	q    workqueue.TypedRateLimitingInterface[K]
	name string
}

// NewQueue gives a Queue; its name is for the log and the metrics, the one that
// the queue has in kube-controller-manager where there is such a queue.
func NewQueue[K comparable](name string) *Queue[K] {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[K](20*time.Millisecond, 5*time.Second)
	return &Queue[K]{metrics.NewQueue(name, limiter), name}
}

// Add adds a key unless it waits already.
func (q *Queue[K]) Add(key K) { q.q.Add(key) }

// AddAfter adds a key after a while.
func (q *Queue[K]) AddAfter(key K, d time.Duration) { q.q.AddAfter(key, d) }

// Again is the error of work that is not wrong, only not finished: it is tried
// again without a word.
type Again struct{}

// Error gives the word that nobody sees.
func (Again) Error() string { return "not finished" }

// Work runs workers until ctx ends.
func (q *Queue[K]) Work(ctx context.Context, workers int, do func(context.Context, K) error) error {
	stop := context.AfterFunc(ctx, q.q.ShutDown)
	defer stop()
	runs := make([]func(context.Context) error, workers)
	for i := range runs {
		runs[i] = func(ctx context.Context) error {
			for {
				key, shut := q.q.Get()
				if shut {
					return ctx.Err()
				}
				if ctx.Err() != nil { // what still waits would only fail
					q.q.Done(key)
					return ctx.Err()
				}
				err := Protect(ctx, func(ctx context.Context) error { return do(ctx, key) })
				q.q.Done(key)
				if err == nil {
					q.q.Forget(key)
					continue
				}
				if _, quiet := err.(Again); !quiet && ctx.Err() == nil {
					klog.V(2).InfoS("Controller tries again", "queue", q.name, "key", key, "err", err)
				}
				q.q.AddRateLimited(key)
			}
		}
	}
	return Together(ctx, runs...)
}
