package plugins

import (
	"context"
	"errors"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// immortalNamespaces are those that nobody deletes.
var immortalNamespaces = sets.New(metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic)

// namespaceLifecycle refuses content in namespaces that don't exist, new
// content in those that are being deleted, and the end of the ones that every
// cluster has.
type namespaceLifecycle struct {
	handler
	namespaces *lookup[*corev1.Namespace]
}

func newNamespaceLifecycle(d *deps) (admission.Plugin, error) {
	return &namespaceLifecycle{handler{"NamespaceLifecycle", handlesLifecycle}, d.namespaces}, nil
}

func handlesLifecycle(op admission.Operation, e *registry.Entry, _ string) bool {
	switch op {
	case admission.Delete:
		return isNamespaces(e)
	case admission.Create, admission.Update:
		// Reviews of access tell nothing about namespaces.
		return e.Resource.Namespaced && e.Resource.Group != "authorization.k8s.io"
	}
	return false
}

func isNamespaces(e *registry.Entry) bool {
	return e.Resource.Group == "" && e.Resource.Name == "namespaces"
}

// Mutate refuses; it changes nothing. It comes before all that changes
// something, as nothing of that matters in a namespace that isn't there.
func (p *namespaceLifecycle) Mutate(_ context.Context, a *admission.Attributes) error {
	if a.Operation == admission.Delete {
		if immortalNamespaces.Has(a.Name) {
			return apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, errors.New("this namespace may not be deleted"))
		}
		return nil
	}
	ns, ok := p.namespaces.get("", a.Namespace)
	if !ok {
		return apierrors.NewNotFound(corev1.Resource("namespaces"), a.Namespace)
	}
	if a.Operation != admission.Create || ns.Status.Phase != corev1.NamespaceTerminating {
		return nil
	}
	return terminating(a)
}

// terminating is the 403 for new content; clients know it by its cause.
func terminating(a *admission.Attributes) error {
	err := admission.Forbid(a, fmt.Sprintf("unable to create new content in namespace %s because it is being terminated", a.Namespace))
	var status *apierrors.StatusError
	if errors.As(err, &status) {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{
			Type:    corev1.NamespaceTerminatingCause,
			Message: fmt.Sprintf("namespace %s is being terminated", a.Namespace),
			Field:   "metadata.namespace",
		})
	}
	return err
}
