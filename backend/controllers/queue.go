package controllers

import (
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
)

// queue is a loop.Queue under this package's names.
type queue[K comparable] struct{ *loop.Queue[K] }

func newQueue[K comparable](name string) *queue[K] { return &queue[K]{loop.NewQueue[K](name)} }

func (q *queue[K]) add(key K)                       { q.Add(key) }
func (q *queue[K]) addAfter(key K, d time.Duration) { q.AddAfter(key, d) }

func (q *queue[K]) work(ctx context.Context, workers int, do func(context.Context, K) error) error {
	return q.Work(ctx, workers, do)
}

type again = loop.Again
