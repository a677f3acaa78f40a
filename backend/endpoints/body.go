package endpoints

import (
	"context"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// decodeBody reads the request's body, whose media type has been negotiated,
// into an empty object of a kind. Unknown and duplicate fields are refused,
// warned of or ignored, as the client wants.
func (c *call) decodeBody(mediaType string, into runtime.Object, gvk schema.GroupVersionKind, v scheme.Validation) error {
	strict, err := scheme.Decode(c.r.Body, mediaType, into, gvk, v)
	if err != nil {
		return err
	}
	if v == scheme.Warn {
		warnStrict(c.r, strict)
	}
	c.note(into)
	return nil
}

// note tells the audit event what the object in the body is.
func (c *call) note(obj runtime.Object) {
	if m, ok := obj.(metav1.Object); ok {
		c.r.Note(request.ObjectNote{Namespace: m.GetNamespace(), Name: m.GetName(), UID: string(m.GetUID()), ResourceVersion: m.GetResourceVersion()})
	}
}

// bodyType is the media type of the request's body.
func (c *call) bodyType() (string, error) {
	return scheme.NegotiateBody(c.r.Header.Get("Content-Type"), scheme.Offer{NoProtobuf: !c.v.typed})
}

// read reads the body as an object of the resource, defaults it and turns it
// into the storage version.
func (c *call) read(mediaType string, v scheme.Validation) (scheme.Object, error) {
	obj := c.e.Version.New()
	if c.e.Version.Coerce != nil {
		if err := c.readCustom(mediaType, obj, v); err != nil {
			return nil, err
		}
		return c.whole(obj)
	}
	if err := c.decodeBody(mediaType, obj, c.v.gvk, v); err != nil {
		return nil, err
	}
	return c.whole(obj)
}

// whole defaults an object that was read.
func (c *call) whole(obj scheme.Object) (scheme.Object, error) {
	if f := c.e.Version.Default; f != nil {
		f(obj)
	}
	if c.r.WantsBody() {
		if raw, err := scheme.EncodeAs(obj, scheme.MediaJSON, false); err == nil {
			c.r.KeepBody(trimNewline(raw))
		}
	}
	out, err := c.toHub(obj)
	c.r.Mark("Body decoded")
	return out, err
}

// readCustom reads the body as a custom resource, whose unknown fields its
// schema tells.
func (c *call) readCustom(mediaType string, obj scheme.Object, v scheme.Validation) error {
	decode := v
	if v == scheme.Strict {
		decode = scheme.Warn // to get the list
	}
	strict, err := scheme.Decode(c.r.Body, mediaType, obj, c.v.gvk, decode)
	if err != nil {
		return err
	}
	c.note(obj)
	unknown, err := c.coerce(obj, v)
	if err != nil {
		return err
	}
	strict = append(strict, unknown...)
	if v == scheme.Strict && len(strict) > 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v",
			c.v.gvk.Kind, c.v.gvk.Version, c.v.gvk.Kind, runtime.NewStrictDecodingError(strict)))
	}
	if v == scheme.Warn {
		warnStrict(c.r, strict)
	}
	return nil
}

// coerce takes out of a custom resource what its version does not know, and
// gives that as strict errors.
func (c *call) coerce(obj scheme.Object, v scheme.Validation) (strict []error, err error) {
	if c.e.Version.Coerce == nil {
		return nil, nil
	}
	unknown, err := c.e.Version.Coerce(obj, v != scheme.Ignore)
	if err != nil {
		return nil, err
	}
	for _, path := range unknown {
		strict = append(strict, fmt.Errorf("unknown field %q", path))
	}
	return strict, nil
}

// defaulted fills in the defaults of the request's version and gives the object
// in the storage version.
func (c *call) defaulted(obj scheme.Object) (scheme.Object, error) {
	if f := c.e.Version.Default; f != nil {
		f(obj)
	}
	return c.toHub(obj)
}

// emptyHub gives an empty object in the storage version.
func (c *call) emptyHub() scheme.Object {
	obj := c.e.Resource.Hub().New()
	obj.GetObjectKind().SetGroupVersionKind(c.e.Resource.HubKind())
	return obj
}

// placeInNamespace gives an object the namespace of the request, or complains
// that it names another one.
func (c *call) placeInNamespace(obj metav1.Object) error {
	want, has := c.namespace(), obj.GetNamespace()
	switch {
	case has == want:
	case has == "", want == "":
		obj.SetNamespace(want)
	default:
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}

// checkName compares an object's name with the path's.
func (c *call) checkName(obj metav1.Object) error {
	switch name := c.r.Info.Name; obj.GetName() {
	case name:
		return nil
	case "":
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s based on URL) was undeterminable: name must be provided", name))
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", obj.GetName(), name))
	}
}

// wipeSystemFields empties what only the server sets.
func wipeSystemFields(obj metav1.Object) {
	obj.SetCreationTimestamp(metav1.Time{})
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetUID("")
	obj.SetSelfLink("")
}

// storeCall is what a resource's own verbs get.
func (c *call) storeCall(dryRun []string, manager string, validate func(ctx context.Context, obj, old runtime.Object) error) registry.Call {
	return registry.Call{
		Namespace:    c.namespace(),
		Name:         c.r.Info.Name,
		Version:      c.e.Version.Name,
		Store:        c.e.Store,
		Registry:     c.h.Registry,
		DryRun:       isDryRun(dryRun),
		FieldManager: c.fieldManager(manager),
		Validate:     validate,
	}
}
