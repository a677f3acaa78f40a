package cel

import (
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/match"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// Draft is the object of a write while mutating policies or webhooks change it
// one after the other, each in the version that its rules name.
type Draft struct {
	// Values have the object in the version that was seen last; nil before.
	Values *Values

	write *admission.Attributes
	// dirty tells that Values' object is newer than the write's; changed that it
	// ever was.
	dirty, changed bool
}

// NewDraft starts with the object of a write.
func NewDraft(a *admission.Attributes) *Draft { return &Draft{write: a} }

// Object is the object as it is now, in whatever version.
func (d *Draft) Object() runtime.Object {
	if d.Values != nil {
		return d.Values.Object
	}
	return d.write.Object
}

// See brings the object into a version.
func (d *Draft) See(t *match.Target, a *Authorizer) error {
	if d.Values != nil && d.Values.target.Resource == t.Resource && d.Values.target.Kind == t.Kind {
		return nil
	}
	if err := d.Write(); err != nil {
		return err
	}
	values, err := NewValues(d.write, d.write.Object, t, a)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	d.Values = values
	return nil
}

// Set puts another object, in the version seen last, in the place of the object.
func (d *Draft) Set(obj runtime.Object) {
	d.Values.SetObject(obj)
	d.dirty, d.changed = true, true
}

// Changed tells whether Set was called.
func (d *Draft) Changed() bool { return d.changed }

// Write puts the object into the write.
func (d *Draft) Write() error {
	if !d.dirty {
		return nil
	}
	obj, err := d.Values.target.Hub(d.Values.Object)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("failed to convert object: %w", err))
	}
	d.write.Object, d.dirty = obj, false
	return nil
}
