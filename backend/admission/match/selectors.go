package match

import (
	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// Selectors choose writes by the labels of their namespace and of their object.
type Selectors struct {
	namespace, object labels.Selector
	// err is what is wrong with the selectors; a write that the rules match gets
	// it.
	err error
}

// NewSelectors parses selectors; nil ones choose everything.
func NewSelectors(namespace, object *metav1.LabelSelector) Selectors {
	s := Selectors{namespace: labels.Everything(), object: labels.Everything()}
	for from, to := range map[*metav1.LabelSelector]*labels.Selector{namespace: &s.namespace, object: &s.object} {
		if from == nil {
			continue
		}
		parsed, err := metav1.LabelSelectorAsSelector(from)
		if err != nil {
			s.err = apierrors.NewInternalError(err)
			return s
		}
		*to = parsed
	}
	return s
}

// Match tells whether the selectors choose a write. obj is the object as it is
// at this moment. A namespace that does not exist is an error.
func (s *Selectors) Match(a *admission.Attributes, obj runtime.Object, n *Namespaces) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	if !s.object.Empty() && !selects(s.object, obj) && !selects(s.object, a.Old) {
		return false, nil
	}
	isNamespace := a.Resource.Resource == "namespaces"
	if s.namespace.Empty() || a.Namespace == "" && !isNamespace {
		return true, nil
	}
	if isNamespace && a.Subresource == "" && (a.Operation == admission.Create || a.Operation == admission.Update) {
		return selects(s.namespace, obj), nil
	}
	ns, err := n.Get(a.Namespace)
	if err != nil {
		return false, err
	}
	return s.namespace.Matches(labels.Set(ns.Labels)), nil
}

func selects(s labels.Selector, obj runtime.Object) bool {
	if obj == nil {
		return false
	}
	m, err := meta.Accessor(obj)
	return err == nil && s.Matches(labels.Set(m.GetLabels()))
}

// NamespaceOf gives the namespace that a write is in, nil for what is
// cluster-scoped, a Namespace among it.
func NamespaceOf(a *admission.Attributes, n *Namespaces) (*Namespace, error) {
	if a.Namespace == "" || a.Kind == corev1.SchemeGroupVersion.WithKind("Namespace") {
		return nil, nil
	}
	return n.Get(a.Namespace)
}
