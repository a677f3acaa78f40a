// Package loop is what controllers are made of: what they work with (Deps), a
// queue of keys (Queue), events of resources (Follower), the current objects of
// one (View), and running things side by side. It knows no controller; package
// controllers lists them. Read loop.go first, then queue.go and view.go.
package loop

import (
	"context"
	"errors"
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
