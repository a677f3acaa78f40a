package plugins

import (
	"context"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// namespaceExists refuses everything in namespaces that don't exist.
type namespaceExists struct {
	handler
	namespaces *lookup[*corev1.Namespace]
}

func newNamespaceExists(d *deps) (admission.Plugin, error) {
	handles := func(op admission.Operation, e *registry.Entry, _ string) bool {
		return op != admission.Connect && e.Resource.Namespaced
	}
	return &namespaceExists{handler{"NamespaceExists", handles}, d.namespaces}, nil
}

// Validate looks for the namespace.
func (p *namespaceExists) Validate(_ context.Context, a *admission.Attributes) error {
	if _, ok := p.namespaces.get("", a.Namespace); !ok {
		return apierrors.NewNotFound(corev1.Resource("namespaces"), a.Namespace)
	}
	return nil
}

// namespaceAutoProvision makes the namespace that new content is for.
type namespaceAutoProvision struct {
	handler
	namespaces *lookup[*corev1.Namespace]
}

func newNamespaceAutoProvision(d *deps) (admission.Plugin, error) {
	handles := func(op admission.Operation, e *registry.Entry, _ string) bool {
		return op == admission.Create && e.Resource.Namespaced
	}
	return &namespaceAutoProvision{handler{"NamespaceAutoProvision", handles}, d.namespaces}, nil
}

// Mutate makes it unless the write is a dry run.
func (p *namespaceAutoProvision) Mutate(ctx context.Context, a *admission.Attributes) error {
	if _, there := p.namespaces.get("", a.Namespace); there || a.DryRun {
		return nil
	}
	store := p.namespaces.registry.Store("", "namespaces")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.Namespace}}
	if set := store.Resource().Hub().Default; set != nil {
		set(ns)
	}
	if _, err := store.Create(ctx, ns, registry.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return admission.Forbidden(a, err)
	}
	return nil
}
