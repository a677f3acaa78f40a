package match

import (
	"sync"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// Namespaces finds namespaces, decoded. What was decoded is kept as long as it
// is the current state, so that finding one again is a map access.
type Namespaces struct {
	registry *registry.Registry

	mu   sync.RWMutex
	kept map[string]*Namespace
}

// Namespace is a namespace and how expressions see it.
type Namespace struct {
	*corev1.Namespace
	from *watchcache.Object
	// Value is the namespace as JSON values, without managedFields, owners and
	// links. It is shared: nobody changes it.
	Value map[string]any
}

// maxKept bounds the namespaces that are kept.
const maxKept = 4096

// NewNamespaces gives the finder.
func NewNamespaces(r *registry.Registry) *Namespaces {
	return &Namespaces{registry: r, kept: map[string]*Namespace{}}
}

// Get finds a namespace, or gives Kubernetes' 404.
func (n *Namespaces) Get(name string) (*Namespace, error) {
	store := n.registry.Store("", "namespaces")
	if store == nil {
		return nil, notFound(name)
	}
	o := store.Peek("", name)
	if o == nil {
		return nil, notFound(name)
	}
	n.mu.RLock()
	known := n.kept[name]
	n.mu.RUnlock()
	if known != nil && known.from == o {
		return known, nil
	}
	return n.decode(store, o)
}

func (n *Namespaces) decode(store *registry.Store, o *watchcache.Object) (*Namespace, error) {
	obj, err := store.Decode(o)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	ns, ok := obj.(*corev1.Namespace)
	if !ok {
		return nil, notFound(o.Name)
	}
	shown := &corev1.Namespace{Spec: ns.Spec, Status: ns.Status, ObjectMeta: *ns.ObjectMeta.DeepCopy()}
	shown.ManagedFields, shown.OwnerReferences, shown.SelfLink = nil, nil, ""
	value, err := runtime.DefaultUnstructuredConverter.ToUnstructured(shown)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	known := &Namespace{Namespace: ns, from: o, Value: value}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.kept) >= maxKept {
		clear(n.kept)
	}
	n.kept[o.Name] = known
	return known, nil
}

func notFound(name string) error {
	return apierrors.NewNotFound(corev1.Resource("namespaces"), name)
}
