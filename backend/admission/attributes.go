// Package admission owns what may change or refuse a write between
// authorization and storage: the Attributes that describe the write, the
// interfaces of plugins, and the Chain that calls them in order. What single
// plugins do is in admission/plugins, webhook and policy. It never imports
// HTTP. Read attributes.go first, then chain.go.
package admission

import (
	"errors"
	"net/http"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Operation is what a write does, spelled as in webhook configurations.
type Operation string

// The operations of Kubernetes.
const (
	Create  Operation = "CREATE"
	Update  Operation = "UPDATE"
	Delete  Operation = "DELETE"
	Connect Operation = "CONNECT"
)

// Attributes describe one write. One value goes through the mutating and then
// through the validating plugins.
type Attributes struct {
	Operation Operation
	User      *request.User
	// Entry is the resource in the version of the request: Entry.Version has
	// ToHub and FromHub for plugins that need Object as the client sees it.
	Entry *registry.Entry
	// Kind is what Object is, in the version of the request: the resource's
	// kind, or a subresource's own (Scale, Eviction).
	Kind        schema.GroupVersionKind
	Resource    schema.GroupVersionResource
	Subresource string
	// Namespace is empty for what is cluster-scoped; for a Namespace it is the
	// object's own name. Name is empty for a create whose name is not chosen
	// yet, and for deletecollection.
	Namespace, Name string
	// Object is what is about to be written, nil for a delete; a subresource's
	// own object (Binding, PodExecOptions) where it takes one. Mutators change
	// it in place or put another object here. The resource's own objects are in
	// the storage version.
	Object runtime.Object
	// Old is the current object, nil for a create. It is shared: nobody changes it.
	Old runtime.Object
	// Options are the *metav1.CreateOptions, UpdateOptions or DeleteOptions.
	Options runtime.Object
	DryRun  bool

	// Reinvoke asks, when a mutator sets it, for a second pass through the
	// mutators: something later in the chain changed what an earlier one has
	// seen. Reinvocation tells them that this is that pass.
	Reinvoke, Reinvocation bool
	// Ends are called when the write is over; nil when nobody does that.
	Ends *Ends
	// State is a place for plugins to keep something between their calls for
	// this write, by plugin name.
	State map[string]any
}

// Keep stores a plugin's value for its later calls with these attributes.
func (a *Attributes) Keep(plugin string, value any) {
	if a.State == nil {
		a.State = map[string]any{}
	}
	a.State[plugin] = value
}

// Is tells whether the write is to a resource, not to one of its subresources.
func (a *Attributes) Is(group, resource string) bool {
	return a.Subresource == "" && a.Resource.Group == group && a.Resource.Resource == resource
}

// Forbidden makes the 403 that a plugin answers with: `pods "x" is forbidden:
// reason`. An error that is a 403 already stays as it is.
func Forbidden(a *Attributes, reason error) error {
	if apierrors.IsForbidden(reason) {
		return reason
	}
	return apierrors.NewForbidden(a.Resource.GroupResource(), a.knownName(), reason)
}

// Forbid is Forbidden with a text.
func Forbid(a *Attributes, reason string) error { return Forbidden(a, errors.New(reason)) }

// Failed is the 500 of a plugin that says why, as Kubernetes' plugins do where
// they give a plain error.
func Failed(text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: text}}
}

// NotFound is the 404 of a plugin that refuses to show that something is there.
func NotFound(a *Attributes) error {
	return apierrors.NewNotFound(a.Resource.GroupResource(), a.knownName())
}

// knownName is the best name that the write has: the request's, the object's,
// or what the name will be made from.
func (a *Attributes) knownName() string {
	if a.Name != "" {
		return a.Name
	}
	const unknown = "Unknown"
	if a.Object == nil {
		return unknown
	}
	m, err := meta.Accessor(a.Object)
	switch {
	case err != nil:
		return unknown + "/errorGettingName" // a slash is in no name
	case m.GetName() != "":
		return m.GetName()
	case m.GetGenerateName() != "":
		return m.GetGenerateName()
	}
	return unknown
}
