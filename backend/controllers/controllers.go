// Package controllers holds the small loops that belong to a Kubernetes API:
// namespaces that empty themselves, collection of dependents, default service
// accounts. They use the API like any client, each as the service account that
// kube-controller-manager uses for the same loop. Read controllers.go first,
// then lists.go; every loop has a file of its name.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/admission/quota"
	"pilothouse/backend/client"
	"pilothouse/backend/discovery"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
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
}

// Loop is one controller.
type Loop struct {
	// Name is kube-controller-manager's name for it, as --controllers takes it.
	Name string
	// Account is the service account in kube-system that it acts as; blank for
	// what kube-apiserver does itself, as system:apiserver.
	Account string
	// New gives what runs until its context ends.
	New func(d Deps) func(ctx context.Context) error
}

// agent is the manager that managedFields name for what loops write.
const agent = "kube-controller-manager"

// program is the user that informers act as.
var program = &request.User{Name: "system:kube-controller-manager", Groups: []string{request.GroupAuthenticated}}

// identity is the user that a loop acts as.
func identity(account string) *request.User {
	return &request.User{
		Name:   "system:serviceaccount:kube-system:" + account,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", request.GroupAuthenticated},
	}
}

// Select gives the loops that a --controllers value asks for: names, "*" for
// all, "-name" to leave one out.
func Select(loops []Loop, patterns []string) ([]Loop, error) {
	known := map[string]bool{}
	for _, l := range loops {
		known[l.Name] = true
	}
	for _, p := range patterns {
		name := strings.TrimPrefix(p, "-")
		if name == "*" || known[name] {
			continue
		}
		if _, err := path.Match(name, ""); err != nil || !known[name] {
			return nil, fmt.Errorf("--controllers: %q is no controller", name)
		}
	}
	var out []Loop
	for _, l := range loops {
		if wanted(l.Name, patterns) {
			out = append(out, l)
		}
	}
	return out, nil
}

func wanted(name string, patterns []string) bool {
	star := len(patterns) == 0
	for _, p := range patterns {
		switch p {
		case name:
			return true
		case "-" + name:
			return false
		case "*":
			star = true
		}
	}
	return star
}

// Run runs loops until ctx ends and they have all returned. A loop that fails or
// panics is logged and starts again after a second.
func Run(ctx context.Context, d Deps, loops []Loop) {
	var wg sync.WaitGroup
	for _, l := range loops {
		own := d
		if own.Client = d.Client.As(request.Server, "kube-apiserver"); l.Account != "" {
			own.Client = d.Client.As(identity(l.Account), agent)
		}
		own.Shared = d.Client.As(program, agent)
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := protect(ctx, l.New(own)); err != nil && ctx.Err() == nil {
					klog.ErrorS(err, "Controller starts again", "controller", l.Name)
					wait(ctx, time.Second)
				}
			}
		})
	}
	wg.Wait()
}

func protect(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// together runs functions until the first one returns, ends the others and
// gives the first error that is not about the end of ctx.
func together(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(runs))
	for _, run := range runs {
		go func() {
			defer cancel()
			errs <- protect(ctx, run)
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
