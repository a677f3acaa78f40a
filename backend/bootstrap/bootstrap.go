// Package bootstrap owns the objects that every cluster has from its first
// start: the namespaces, the service "kubernetes", priority classes, flow
// schemas, the policy of RBAC. They are written as Kubernetes 1.36 writes them,
// each when it is missing. Read bootstrap.go first; what is written is in
// objects.go and the files beside it.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	rbac "pilothouse/backend/authz/rbac/bootstrap"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// object is one object to be there. status is the same object with the status
// that it is to have, nil when a create sets it or there is none.
type object struct {
	gr     schema.GroupResource
	obj    scheme.Object
	status scheme.Object
}

// writers is how many objects are written at a time: the storage commits what
// waits together at once.
const writers = 64

// Run writes what is missing. Errors name the object.
func Run(ctx context.Context, r *registry.Registry, o Options) error {
	for _, wave := range objects(o) {
		if err := writeAll(ctx, r, wave); err != nil {
			return err
		}
	}
	if err := rbac.Reconcile(ctx, r); err != nil {
		return fmt.Errorf("bootstrap policy: %w", err)
	}
	return nil
}

func writeAll(ctx context.Context, r *registry.Registry, wave []object) error {
	var wg sync.WaitGroup
	errs := make([]error, len(wave))
	limit := make(chan struct{}, writers)
	for i, o := range wave {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			if err := metrics.Protected("bootstrap", func() error { return write(ctx, r, o) }); err != nil {
				errs[i] = fmt.Errorf("bootstrap %s %s: %w", o.gr, o.obj.GetName(), err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// write creates an object unless it is there, with its status. A resource that
// is not served needs none.
func write(ctx context.Context, r *registry.Registry, o object) error {
	store := r.Store(o.gr.Group, o.gr.Resource)
	if store == nil {
		return nil // turned off by --runtime-config
	}
	ns, name := o.obj.GetNamespace(), o.obj.GetName()
	if _, err := store.Get(ctx, ns, name, registry.GetOptions{}); err == nil || !apierrors.IsNotFound(err) {
		return err
	}
	if _, err := store.Create(ctx, o.obj, registry.CreateOptions{}); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	if o.status == nil {
		return nil
	}
	return writeStatus(ctx, store, o)
}

func writeStatus(ctx context.Context, store *registry.Store, o object) error {
	var strategy *registry.Strategy
	for i, sub := range store.Resource().Subresources {
		if sub.Name == "status" {
			strategy = store.Resource().Subresources[i].Strategy
		}
	}
	if strategy == nil {
		return errors.New("the resource has no status")
	}
	_, err := store.Update(ctx, o.obj.GetNamespace(), o.obj.GetName(), registry.UpdateOptions{
		Strategy: strategy,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			if current == nil {
				return nil, errors.New("the object has gone")
			}
			copyStatus(current, o.status)
			return current, nil
		},
	})
	return err
}

// copyStatus sets the Status field of one Go type's object.
func copyStatus(to, from scheme.Object) {
	reflect.ValueOf(to).Elem().FieldByName("Status").Set(reflect.ValueOf(from).Elem().FieldByName("Status"))
}
