// Package controllers holds the small loops that belong to a Kubernetes API:
// namespaces that empty themselves, collection of dependents, default service
// accounts. They use the API like any client, each as the service account that
// kube-controller-manager uses for the same loop. Read controllers.go first,
// then lists.go; every loop has a file of its name.
package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/backend/scheduler"

	"k8s.io/klog/v2"
)

// Deps are what loops work with.
type Deps = loop.Deps

// Loop is one controller.
type Loop struct {
	// Name is kube-controller-manager's name for it, as --controllers takes it.
	Name string
	// Account is the service account in kube-system that it acts as; blank for
	// what kube-apiserver does itself, as system:apiserver.
	Account string
	// Workload marks what only nodes give work to: it waits for a node that lives.
	Workload bool
	// Named tells that --controllers has the loop's name: it runs at once, and
	// gives way to nobody.
	Named bool
	// User is the user that it acts as in place of a service account: what is a
	// program of its own elsewhere.
	User string
	// New gives what runs until its context ends.
	New func(d Deps) func(ctx context.Context) error
}

// givesWay is the name of the Lease in kube-system that a program of Kubernetes
// holds while it does a loop's work; empty for what is kube-apiserver's own.
func (l *Loop) givesWay() string {
	switch {
	case l.Named:
		return ""
	case l.User == scheduler.User:
		return schedulerLease
	case l.Account != "":
		return managerLease
	}
	return ""
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
// all, "-name" to leave one out; none for an empty value. The names that
// Kubernetes had before are taken too.
func Select(loops []Loop, patterns []string) ([]Loop, error) {
	known := map[string]bool{}
	for _, l := range loops {
		known[l.Name] = true
	}
	full := make([]string, len(patterns))
	for i, p := range patterns {
		minus, name := "", p
		if strings.HasPrefix(p, "-") {
			minus, name = "-", p[1:]
		}
		if now, was := aliases[name]; was {
			name = now
		}
		if name != "*" && !known[name] {
			return nil, fmt.Errorf("--controllers: %q is no controller", name)
		}
		full[i] = minus + name
	}
	var out []Loop
	for _, l := range loops {
		if !wanted(l.Name, full) {
			continue
		}
		l.Named = slices.Contains(full, l.Name)
		out = append(out, l)
	}
	return out, nil
}

func wanted(name string, patterns []string) bool {
	star := false
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
	g := newGate(d)
	wg.Go(metrics.Guarded("controller", func() { g.watch(ctx) }))
	d.Nodes = g.nodes
	for _, l := range loops {
		own := d
		switch {
		case l.User != "":
			own.Client = d.Client.As(&request.User{Name: l.User, Groups: []string{request.GroupAuthenticated}}, l.Name)
		case l.Account != "":
			own.Client = d.Client.As(identity(l.Account), agent)
		default:
			own.Client = d.Client.As(request.Server, "kube-apiserver")
		}
		own.Shared = d.Client.As(program, agent)
		wg.Go(metrics.Guarded("controller", func() { g.run(ctx, l, func(ctx context.Context) { keep(ctx, l, own) }) }))
	}
	wg.Wait()
}

// keep runs a loop until ctx ends.
func keep(ctx context.Context, l Loop, d Deps) {
	for ctx.Err() == nil {
		if err := loop.Protect(ctx, l.New(d)); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Controller starts again", "controller", l.Name)
			loop.Wait(ctx, time.Second)
		}
	}
}
