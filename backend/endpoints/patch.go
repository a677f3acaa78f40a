package endpoints

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/fieldmanager"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// patch changes an object as the body says.
func (c *call) patch(ctx context.Context) (*request.Response, error) {
	return c.change(ctx, nil)
}

// change patches through a strategy: the resource's own when it is nil, a
// subresource's otherwise.
func (c *call) change(ctx context.Context, strategy *registry.Strategy) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	patchType := strings.TrimSpace(c.patchType())
	o, err := patchOptions(c.r, patchType)
	if err != nil {
		return nil, err
	}
	p := c.newPatcher(patchType, o)
	w := c.newWrite(c.r.Info.Name, patchAsUpdate(o), o.DryRun)
	return c.storeUpdate(ctx, w, registry.UpdateOptions{
		Strategy:    strategy,
		AllowCreate: patchType == applyPatch && c.sub == nil,
		Transform: func(ctx context.Context, current scheme.Object) (scheme.Object, error) {
			return p.transform(ctx, w, current)
		},
	})
}

func (c *call) newPatcher(patchType string, o *metav1.PatchOptions) *patcher {
	return &patcher{c: c, kind: patchType, body: c.r.Body, options: o, validation: fieldValidation(o.FieldValidation), gvk: c.v.gvk}
}

// patcher applies one patch to whatever the current object is.
type patcher struct {
	c          *call
	kind       string
	body       []byte
	options    *metav1.PatchOptions
	validation scheme.Validation
	// gvk is the kind of what is patched, in the version of the request.
	gvk schema.GroupVersionKind
	// stored are the bytes of the object that is being patched, when they are at
	// hand.
	stored []byte
}

// transform gives what is to take the place of current: patched in the version
// of the request, tracked, and changed by admission.
func (p *patcher) transform(ctx context.Context, w *write, current scheme.Object) (scheme.Object, error) {
	if current != nil && p.kind == applyPatch && p.c.onlyCreates() {
		return nil, apierrors.NewAlreadyExists(p.c.v.gvr.GroupResource(), p.c.r.Info.Name)
	}
	next, err := p.patched(current)
	p.c.r.Mark("Patch applied")
	if err != nil {
		return nil, err
	}
	if current == nil && next.GetUID() != "" {
		return nil, p.c.uidMismatch(next)
	}
	if err := p.c.placeInNamespace(next); err != nil {
		return nil, err
	}
	if err := p.c.checkName(next); err != nil {
		return nil, err
	}
	op := admission.Update
	if current == nil {
		op = admission.Create
	}
	if next, err = w.mutateObject(ctx, op, next, current); err != nil {
		return nil, err
	}
	keepFieldTimes(next, current)
	return next, nil
}

// onlyCreates tells a request that must not change what is there: the precondition
// of HTTP that an apply has no field for.
func (c *call) onlyCreates() bool { return c.r.Header.Get("If-None-Match") == "*" }

// patched applies the patch and gives the result in the storage version.
func (p *patcher) patched(current scheme.Object) (scheme.Object, error) {
	if p.kind == applyPatch {
		return p.apply(current)
	}
	if current == nil {
		return nil, apierrors.NewNotFound(p.c.v.gvr.GroupResource(), p.c.r.Info.Name)
	}
	p.stored = p.c.storedBytes(current)
	// Conversions may share memory, and current is needed as it is.
	versioned, err := p.c.fromHub(copyUnlessSame(p.c, current))
	if err != nil {
		return nil, err
	}
	next := p.c.e.Version.New()
	versioned.GetObjectKind().SetGroupVersionKind(p.c.v.gvk)
	if err := p.into(versioned, next); err != nil {
		return nil, err
	}
	next.GetObjectKind().SetGroupVersionKind(p.c.v.gvk)
	hub, err := p.c.defaulted(next)
	if err != nil {
		return nil, err
	}
	return p.c.track(func() scheme.Object { return current }, hub, p.options.FieldManager)
}

// storedBytes gives the bytes of an object that came from the store, nil when
// they are in another version than the request or when there is a newer object.
func (c *call) storedBytes(obj scheme.Object) []byte {
	if !c.v.hub {
		return nil
	}
	o, err := c.e.Store.Get(context.Background(), c.namespace(), c.r.Info.Name, registry.GetOptions{})
	if err != nil || revision(o.Revision) != obj.GetResourceVersion() {
		return nil
	}
	return o.Raw
}

// copyUnlessSame copies an object that a conversion is about to take apart.
func copyUnlessSame(c *call, obj scheme.Object) scheme.Object {
	if c.e.Version.FromHub == nil {
		return obj
	}
	return obj.DeepCopyObject().(scheme.Object)
}

// into applies the patch to an object and reads the result into an empty one of
// the same type.
func (p *patcher) into(current, next runtime.Object) error {
	if p.kind == strategicPatch {
		return p.strategic(current, next)
	}
	return p.json(current, next)
}

var errNoApply = apierrors.NewInternalError(errors.New("nobody here can apply a configuration"))

// apply merges the body into current by server-side apply.
func (p *patcher) apply(current scheme.Object) (scheme.Object, error) {
	live := current
	if live == nil {
		live = p.c.emptyHub()
	}
	return p.applyTo(p.c.e.Resource, p.c.e.Version.Name, live)
}

// applyTo merges the body into an object that a resource describes.
func (p *patcher) applyTo(r *registry.Resource, version string, live scheme.Object) (scheme.Object, error) {
	if p.c.h.FieldManager == nil {
		return nil, errNoApply
	}
	config, strict, err := fieldmanager.ParsePatch(p.body)
	if err != nil {
		return nil, err
	}
	force := p.options.Force != nil && *p.options.Force
	out, err := p.c.h.FieldManager.Apply(r, version, p.c.subName(), live, config, p.options.FieldManager, force)
	if err != nil {
		return nil, shown(err)
	}
	if p.validation == scheme.Ignore {
		return out, nil
	}
	if err := strict(); err != nil {
		if p.validation == scheme.Strict {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("error strict decoding YAML: %v", err))
		}
		warnStrict(p.c.r, []error{err})
	}
	return out, nil
}

// shown turns an error of a patch library, whose texts clients know, into a 500
// that shows it.
func shown(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return shownError(err.Error())
}

// strictFault makes of unknown and duplicate fields what the client wants:
// nothing, warnings, or the 422 of a patch whose result cannot be read.
func (p *patcher) strictFault(result string, faults []error) error {
	switch {
	case len(faults) == 0, p.validation == scheme.Ignore:
		return nil
	case p.validation == scheme.Warn:
		warnStrict(p.c.r, faults)
		return nil
	}
	return badResult(result, runtime.NewStrictDecodingError(faults))
}

// badResult is the 422 of a patch whose result is no object of the kind.
func badResult(result string, err error) error {
	return apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), result, err.Error())})
}
