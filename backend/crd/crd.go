// Package crd makes resources out of CustomResourceDefinitions: names and
// conditions, schemas (pruning, defaults, validation, CEL), versions and their
// conversion, subresources, columns, documents. A definition becomes a
// registry.Resource like any built-in one; from there on nothing knows that it
// came at run time. Read crd.go first, then naming.go, install.go and version.go.
package crd

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/backend/openapi"
	"pilothouse/backend/registry"
	"pilothouse/backend/webhook"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

var definitionsResource = schema.GroupVersionResource{Group: apiextensionsv1.GroupName, Version: "v1", Resource: "customresourcedefinitions"}

// Definition is what this package is about.
type Definition = apiextensionsv1.CustomResourceDefinition

// Options are what a Manager works with.
type Options struct {
	Registry *registry.Registry
	// Client writes status and deletes objects of definitions that go.
	Client *client.Client
	// OpenAPI gets the documents of custom resources; nil leaves them out.
	OpenAPI *openapi.Service
	Clock   registry.Clock
	// Webhooks calls conversion webhooks.
	Webhooks *webhook.Clients
	// Forget is told of a resource that is replaced or gone, so that what was
	// kept for it can go too; may be nil.
	Forget func(r *registry.Resource)
	// Serves tells the groups whose definitions are this process's business; nil
	// is all of them.
	Serves func(group string) bool
}

// Manager keeps the registry's table in step with the definitions.
type Manager struct {
	o     Options
	store *registry.Store

	// known are the claims to names, by definition; only the loop has to do with
	// them.
	known map[string]*claim
	// settled are the revisions of definitions that were served at the start and
	// have nothing left to do.
	settled map[string]int64

	// following is closed when changes of definitions are seen.
	following chan struct{}
	follows   sync.Once

	mu        sync.Mutex
	installed map[string]*installed // by definition name
}

// installed is what was made of a definition.
type installed struct {
	definition *Definition
	resource   *registry.Resource
	kind       *kind
	versions   []string
}

// New gives a Manager.
func New(o Options) (*Manager, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Serves == nil {
		o.Serves = func(string) bool { return true }
	}
	if o.Webhooks == nil {
		o.Webhooks = webhook.New(nil)
	}
	store := o.Registry.Store(definitionsResource.Group, definitionsResource.Resource)
	if store == nil {
		return nil, fmt.Errorf("crd: %s are not served", definitionsResource.Resource)
	}
	return &Manager{o: o, store: store, known: map[string]*claim{}, settled: map[string]int64{}, following: make(chan struct{}), installed: map[string]*installed{}}, nil
}

// Following is closed once the definitions that there were are served and
// changes of them are seen.
func (m *Manager) Following() <-chan struct{} { return m.following }

// Install serves the definitions that are established, all at once. It is run at
// the start, before the first request.
func (m *Manager) Install(ctx context.Context) error {
	list, err := m.store.List(ctx, registry.ListOptions{})
	if err != nil {
		return err
	}
	var all []*installed
	for _, o := range list.Items {
		obj, err := m.store.Decode(o)
		if err != nil {
			klog.ErrorS(err, "CustomResourceDefinition left out", "name", o.Name)
			continue
		}
		if d := obj.(*Definition); served(d) && m.o.Serves(d.Spec.Group) {
			bare := withoutSchemas(d)
			r, k := m.resource(bare, newSource(m.store.Decode, o))
			all = append(all, newInstalled(bare, r, k))
			if d.DeletionTimestamp == nil && reflect.DeepEqual(d.Spec.Names, d.Status.AcceptedNames) {
				m.settled[d.Name] = o.Revision
			}
		}
	}
	m.serveAll(all)
	return nil
}

// Run follows the definitions until ctx ends: it accepts names, serves what is
// established and cleans up after what is deleted.
func (m *Manager) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := m.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		klog.V(2).InfoS("CustomResourceDefinitions are watched again", "err", err)
		pause(ctx, 100*time.Millisecond)
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// retryEvery is how soon work that is not finished is looked at again.
const retryEvery = 200 * time.Millisecond

// follow works on definitions one at a time, in the order of their changes: names
// are given away, so two of them at a time could both get the same.
func (m *Manager) follow(ctx context.Context) error {
	w, err := m.store.Watch(ctx, registry.WatchOptions{})
	if err != nil {
		return err
	}
	defer w.Close()
	m.follows.Do(func() { close(m.following) })
	todo := map[string]bool{}
	for {
		next := ctx
		cancel := context.CancelFunc(func() {})
		if len(todo) > 0 {
			next, cancel = context.WithTimeout(ctx, retryEvery)
		}
		events, err := w.Next(next, 0)
		cancel()
		if err != nil && (ctx.Err() != nil || next.Err() == nil) {
			return err
		}
		for i := range events {
			todo[events[i].Object.Name] = true
		}
		for name := range todo {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			again, err := m.sync(ctx, name)
			if err != nil {
				klog.V(2).InfoS("CustomResourceDefinition is tried again", "name", name, "err", err)
			}
			delete(todo, name)
			for _, n := range again {
				todo[n] = true
			}
		}
	}
}

// sync brings one definition forward and names those that have to be looked at
// (again).
func (m *Manager) sync(ctx context.Context, name string) (again []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "custom resources")
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if m.isSettled(ctx, name) {
		return nil, nil
	}
	d, o, err := m.read(ctx, name)
	if err != nil {
		return []string{name}, err
	}
	if d == nil {
		delete(m.known, name)
		return m.othersOf(ctx, m.remove(name)), nil
	}
	if !m.o.Serves(d.Spec.Group) {
		return nil, nil
	}
	changed, err := m.accept(ctx, d)
	if err != nil {
		return []string{name}, err
	}
	if changed {
		again = m.othersOf(ctx, d)
	}
	if served(d) {
		if err := m.serve(d, o); err != nil {
			return append(again, name), err
		}
	} else {
		m.remove(name)
	}
	if d.DeletionTimestamp != nil {
		done, err := m.cleanUp(ctx, d)
		if !done {
			again = append(again, name)
		}
		return again, err
	}
	return again, nil
}

// isSettled tells that a definition is as it was when it was served at the start.
func (m *Manager) isSettled(ctx context.Context, name string) bool {
	revision, ok := m.settled[name]
	if !ok {
		return false
	}
	o, err := m.store.Get(ctx, "", name, registry.GetOptions{})
	if err == nil && o.Revision == revision {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.installed[name] != nil
	}
	delete(m.settled, name)
	return false
}

// served tells whether a definition's resource is to be in the table: once
// established it stays until the definition is gone, so that its objects can be
// cleaned up.
func served(d *Definition) bool {
	return isTrue(d, apiextensionsv1.Established) && d.Status.AcceptedNames.Plural != "" && d.Status.AcceptedNames.Kind != ""
}
