package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// queue hands keys to workers: each key to one worker at a time, failed ones
// again after a growing wait.
type queue[K comparable] struct {
	q    workqueue.TypedRateLimitingInterface[K]
	name string
}

func newQueue[K comparable](name string) *queue[K] {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[K](20*time.Millisecond, 5*time.Second)
	return &queue[K]{workqueue.NewTypedRateLimitingQueue(limiter), name}
}

func (q *queue[K]) add(key K)                       { q.q.Add(key) }
func (q *queue[K]) addAfter(key K, d time.Duration) { q.q.AddAfter(key, d) }

// again is the error of work that is not wrong, only not finished: it is tried
// again without a word.
type again struct{}

// Error gives the word that nobody sees.
func (again) Error() string { return "not finished" }

// work runs workers until ctx ends.
func (q *queue[K]) work(ctx context.Context, workers int, do func(context.Context, K) error) error {
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
				err := protect(ctx, func(ctx context.Context) error { return do(ctx, key) })
				q.q.Done(key)
				if err == nil {
					q.q.Forget(key)
					continue
				}
				if _, quiet := err.(again); !quiet && ctx.Err() == nil {
					klog.V(2).InfoS("Controller tries again", "queue", q.name, "key", key, "err", err)
				}
				q.q.AddRateLimited(key)
			}
		}
	}
	return together(ctx, runs...)
}
