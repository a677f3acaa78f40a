// Package plugins holds the built-in admission plugins of kube-apiserver, one
// file each, with its behaviour and its messages. Which there are, in which
// order they are called and which are on by default is in order.go; read that
// first, then handler.go and lookup.go. Plugins see objects in the storage
// version; they never import HTTP or the client.
package plugins

import (
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// handler is the part that plugins have in common: a name, and the writes that
// it has something to say about.
type handler struct {
	name    string
	handles func(op admission.Operation, e *registry.Entry, subresource string) bool
}

// Name is what the flags call the plugin.
func (h handler) Name() string { return h.name }

// Handles tells whether the plugin looks at a write.
func (h handler) Handles(op admission.Operation, e *registry.Entry, subresource string) bool {
	return h.handles(op, e, subresource)
}

// target is a resource, or one of its subresources.
type target struct{ group, resource, subresource string }

var (
	pods          = target{resource: "pods"}
	podsEphemeral = target{resource: "pods", subresource: "ephemeralcontainers"}
	podsResize    = target{resource: "pods", subresource: "resize"}
	podsBinding   = target{resource: "pods", subresource: "binding"}
	claims        = target{resource: "persistentvolumeclaims"}
)

// on handles an operation of resources.
func on(op admission.Operation, targets ...target) func(admission.Operation, *registry.Entry, string) bool {
	return func(o admission.Operation, e *registry.Entry, subresource string) bool {
		if o != op {
			return false
		}
		for _, t := range targets {
			if t.group == e.Resource.Group && t.resource == e.Resource.Name && t.subresource == subresource {
				return true
			}
		}
		return false
	}
}

// either handles what one of several does.
func either(list ...func(admission.Operation, *registry.Entry, string) bool) func(admission.Operation, *registry.Entry, string) bool {
	return func(op admission.Operation, e *registry.Entry, subresource string) bool {
		for _, f := range list {
			if f(op, e, subresource) {
				return true
			}
		}
		return false
	}
}

// writes handles creates and updates.
func writes(targets ...target) func(admission.Operation, *registry.Entry, string) bool {
	return either(on(admission.Create, targets...), on(admission.Update, targets...))
}

// podOf gives the pod of a write.
func podOf(a *admission.Attributes) (*corev1.Pod, error) {
	return objectOf[*corev1.Pod](a, "Pod")
}

// objectOf gives the object of a write as what the resource's objects are.
func objectOf[T runtime.Object](a *admission.Attributes, kind string) (T, error) {
	obj, ok := a.Object.(T)
	if !ok {
		return obj, apierrors.NewBadRequest(fmt.Sprintf("Resource was marked with kind %s but was unable to be converted", kind))
	}
	return obj, nil
}
