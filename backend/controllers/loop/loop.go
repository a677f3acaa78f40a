// Package loop is what controllers are made of: what they work with (Deps), a
// queue of keys (Queue), events of resources (Follower), the current objects of
// one (View), and running things side by side. It knows no controller; package
// controllers lists them. Read loop.go first, then queue.go and view.go.
package loop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/admission/quota"
	"pilothouse/backend/client"
	"pilothouse/backend/discovery"
	"pilothouse/backend/metrics"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
)

// Deps are what loops work with.
type Deps struct {
	// Client makes requests; each loop acts as a user of its own.
	Client *client.Client
	// Shared is what informers read with; Run sets it. As in
	// kube-controller-manager they act as the program, whose role lets it list
	// and watch everything, and not as their loop.
	Shared   *client.Client
	Registry *registry.Registry
	Clock    registry.Clock
	// RootCA is the PEM bundle that clients verify this server with.
	RootCA func() []byte
	// Server is the URL at which machines that join with bootstrap tokens find this
	// server; blank when none can.
	Server string
	// CA signs the certificates of the signers that are this server's own; nil
	// leaves their requests alone.
	CA *pki.KeyPair
	// Remote gives the groups that other API servers serve; nil: there are none.
	Remote func() ([]discovery.RemoteGroup, int64)
	// Quota has the accounts of ResourceQuotas.
	Quota *quota.Ledger
	// Token makes the token that a secret of an account holds; nil leaves such
	// secrets empty.
	Token func(account *corev1.ServiceAccount, secret string) (string, error)
	// EventTTL is how long events are kept after their last write; zero keeps
	// them.
	EventTTL time.Duration
	// Nodes tells whether a node is alive, so that something can run; Run of
	// package controllers sets it.
	Nodes func() bool
}

// Protect turns a panic into an error.
func Protect(ctx context.Context, run func(context.Context) error) error {
	return metrics.Protected("controller", func() error { return run(ctx) })
}

// Wait waits for a while or until ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Each calls do for every item, so many at a time, and gives the first error in
// the order of the items; an error keeps nobody from being next. So what each of
// them writes is synced together. When ctx ends no more are begun.
func Each[T any](ctx context.Context, workers int, items []T, do func(context.Context, T) error) error {
	if len(items) == 0 {
		return nil
	}
	var next atomic.Int64
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(items)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				errs[i] = Protect(ctx, func(ctx context.Context) error { return do(ctx, items[i]) })
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Together runs functions until the first one returns, ends the others and
// gives the first error that is not about the end of ctx.
func Together(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(runs))
	for _, run := range runs {
		go func() {
			defer cancel()
			errs <- Protect(ctx, run)
		}()
	}
	var first error
	for range runs {
		if err := <-errs; err != nil && first == nil && !errors.Is(err, context.Canceled) {
			first = err
		}
	}
	return first
}
