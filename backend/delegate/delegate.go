// Package delegate lets a Pilothouse serve the custom resources of some API
// groups for another API server, the main one: it takes over the definitions of
// those groups, tells the main server how they are doing, registers itself there
// by APIServices, and keeps copies of what it decides by (namespaces, admission
// webhooks and policies). Who callers are and what they may do it asks the main
// server. It imports no transport. Read delegate.go first, then settings.go,
// definitions.go and copies.go.
package delegate

import (
	"context"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// Options are what a Delegate works with.
type Options struct {
	// Main reaches the main server, Own this one.
	Main, Own *client.Client
	Registry  *registry.Registry
	// Serves tells the groups that are served here.
	Serves func(group string) bool
	// Service leads from the main server to this one; CABundle is what this
	// server's certificate is from.
	Service  apiregistrationv1.ServiceReference
	CABundle []byte
}

// Delegate follows the main server.
type Delegate struct {
	o           Options
	definitions *informer.Informer[*apiextensionsv1.CustomResourceDefinition]
	queue       workqueue.TypedRateLimitingInterface[string]
}

// New gives a Delegate.
func New(o Options) *Delegate {
	d := &Delegate{o: o, queue: newQueue("delegated definitions")}
	d.definitions = informer.New(o.Main, definitions, "", func() *apiextensionsv1.CustomResourceDefinition { return &apiextensionsv1.CustomResourceDefinition{} })
	d.definitions.OnChange(func(old, current *apiextensionsv1.CustomResourceDefinition) {
		if current == nil {
			current = old
		}
		d.queue.Add(current.Name)
	})
	return d
}

func newQueue(name string) workqueue.TypedRateLimitingInterface[string] {
	return metrics.NewQueue(name, workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 10*time.Second))
}

// Run follows the main server until ctx ends.
func (d *Delegate) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, gvr := range copied {
		if d.o.Registry.Store(gvr.Group, gvr.Resource) != nil {
			wg.Go(metrics.Guarded("delegate", func() { newCopies(d.o, gvr).run(ctx) }))
		}
	}
	wg.Go(metrics.Guarded("delegate", func() { d.definitions.Run(ctx) })) //nolint:errcheck // it ends with the context
	select {
	case <-ctx.Done():
		return
	case <-d.definitions.Synced():
	}
	wg.Go(metrics.Guarded("delegate", func() { d.followOwn(ctx) }))
	wg.Go(metrics.Guarded("delegate", func() { d.keepRegistered(ctx) }))
	work(ctx, d.queue, d.sync)
}

// work does what is queued, again when it fails, until ctx ends.
func work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], do func(ctx context.Context, name string) error) {
	defer context.AfterFunc(ctx, queue.ShutDown)()
	for {
		name, shut := queue.Get()
		if shut {
			return
		}
		if err := do(ctx, name); err != nil {
			klog.V(2).InfoS("Delegate tries again", "name", name, "err", err)
			queue.AddRateLimited(name)
		} else {
			queue.Forget(name)
		}
		queue.Done(name)
	}
}
