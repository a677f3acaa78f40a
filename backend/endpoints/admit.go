package endpoints

import (
	"context"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// write is what admission is told about one write of a call.
type write struct {
	c       *call
	kind    schema.GroupVersionKind
	name    string
	options runtime.Object
	dryRun  bool
	// state is what plugins keep between their mutating and validating calls.
	state map[string]any
	// ends are what plugins want to do when the write is over.
	ends admission.Ends
}

// newWrite describes a write of the call's resource or subresource.
func (c *call) newWrite(name string, options runtime.Object, dryRun []string) *write {
	kind := c.v.gvk
	if c.sub != nil {
		kind = c.subKind()
	}
	return &write{c: c, kind: kind, name: name, options: options, dryRun: isDryRun(dryRun)}
}

func (w *write) attributes(op admission.Operation, obj, old runtime.Object, options runtime.Object) *admission.Attributes {
	c := w.c
	name := w.name
	if name == "" && op == admission.Create { // made of generateName meanwhile
		if o, ok := obj.(metav1.Object); ok {
			name = o.GetName()
		}
	}
	return &admission.Attributes{
		Operation:   op,
		User:        c.r.User,
		Entry:       c.e,
		Kind:        w.kind,
		Resource:    c.v.gvr,
		Subresource: c.subName(),
		Namespace:   w.namespace(),
		Name:        name,
		Object:      obj,
		Old:         old,
		Options:     options,
		DryRun:      w.dryRun,
		Ends:        &w.ends,
		State:       w.state,
	}
}

// namespace is the namespace that admission sees: for a Namespace its own name.
func (w *write) namespace() string {
	c := w.c
	if c.e.Resource.Group == "" && c.e.Resource.Name == "namespaces" {
		return w.name
	}
	return c.namespace()
}

func (c *call) subName() string {
	if c.sub == nil {
		return ""
	}
	return c.sub.Name
}

// mutate lets admission change an object that is about to be written.
func (w *write) mutate(ctx context.Context, op admission.Operation, obj, old runtime.Object) (runtime.Object, error) {
	h := w.c.h
	if h.Admission == nil || !h.Admission.Mutates(op, w.c.e, w.c.subName()) {
		return obj, nil
	}
	a := w.attributes(op, obj, old, w.optionsFor(op))
	if err := h.Admission.Mutate(ctx, a); err != nil {
		return nil, err
	}
	w.state = a.State
	return a.Object, nil
}

// optionsFor gives the options in the type that fits the operation.
func (w *write) optionsFor(op admission.Operation) runtime.Object {
	if o, ok := w.options.(*metav1.UpdateOptions); ok && op == admission.Create {
		return updateAsCreate(o)
	}
	return w.options
}

// validator gives validating admission for an operation, nil when nobody
// validates it.
func (w *write) validator(op admission.Operation) registry.ValidateFunc {
	f := w.objectValidator(op)
	if f == nil {
		return nil
	}
	return func(ctx context.Context, obj, old scheme.Object) error {
		// Not simply passed on: a nil scheme.Object is no nil runtime.Object.
		var o, p runtime.Object
		if obj != nil {
			o = obj
		}
		if old != nil {
			p = old
		}
		return f(ctx, o, p)
	}
}

// objectValidator is validator for objects of any kind.
func (w *write) objectValidator(op admission.Operation) func(ctx context.Context, obj, old runtime.Object) error {
	h := w.c.h
	if h.Admission == nil || !h.Admission.Validates(op, w.c.e, w.c.subName()) {
		return nil
	}
	return func(ctx context.Context, obj, old runtime.Object) error {
		w.ends.Call(false) // an earlier attempt, if any, has come to nothing
		return h.Admission.Validate(ctx, w.attributes(op, obj, old, w.optionsFor(op)))
	}
}

// deleteValidator is admission for a delete, where mutating plugins run after
// the object is known, and have nothing to change.
func (w *write) deleteValidator() registry.ValidateFunc {
	h := w.c.h
	if h.Admission == nil {
		return nil
	}
	mutates := h.Admission.Mutates(admission.Delete, w.c.e, w.c.subName())
	if !mutates && !h.Admission.Validates(admission.Delete, w.c.e, w.c.subName()) {
		return nil
	}
	return func(ctx context.Context, _, old scheme.Object) error {
		a := w.attributes(admission.Delete, nil, old, w.options)
		if mutates {
			if err := h.Admission.Mutate(ctx, a); err != nil {
				return err
			}
		}
		return h.Admission.Validate(ctx, a)
	}
}

// written tells admission that the write is done. drop, to be deferred, tells it
// that it came to nothing, unless written was called.
func (w *write) written() { w.ends.Call(!w.dryRun) }
func (w *write) drop()    { w.ends.Call(false) }
