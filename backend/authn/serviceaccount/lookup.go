package serviceaccount

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Lookup reads the objects that tokens depend on, as they are now.
type Lookup struct{ Registry *registry.Registry }

// Meta gives the metadata of an object of the core group.
func (l Lookup) Meta(ctx context.Context, resource, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	return get(ctx, l, resource, namespace, name, &metav1.PartialObjectMetadata{})
}

// Account gives a service account.
func (l Lookup) Account(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return get(ctx, l, "serviceaccounts", namespace, name, &corev1.ServiceAccount{})
}

// Secret gives a secret.
func (l Lookup) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return get(ctx, l, "secrets", namespace, name, &corev1.Secret{})
}

func get[T scheme.Object](ctx context.Context, l Lookup, resource, namespace, name string, into T) (T, error) {
	store := l.Registry.Store("", resource)
	if store == nil {
		return into, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	o, err := store.Get(ctx, namespace, name, registry.GetOptions{})
	if err != nil {
		return into, err
	}
	return into, scheme.DecodeStored(o.Raw, into)
}
