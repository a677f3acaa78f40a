package endpoints

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A subresource with a strategy is the object itself, written by other rules.
// The others have an object of their own.

// getSubresource answers with the object, or with the subresource's own.
func (c *call) getSubresource(ctx context.Context) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	if c.sub.Get == nil {
		return c.get(ctx)
	}
	if _, err := getOptions(c.r); err != nil {
		return nil, err
	}
	obj, err := c.sub.Get(ctx, c.storeCall(nil, "", nil))
	if err != nil {
		return nil, err
	}
	return c.subObject(http.StatusOK, obj)
}

// subObject answers with a subresource's own object. One without a kind gets
// that of the subresource.
func (c *call) subObject(status int, obj runtime.Object) (*request.Response, error) {
	if _, isStatus := obj.(*metav1.Status); !isStatus && obj.GetObjectKind().GroupVersionKind().Kind == "" {
		obj.GetObjectKind().SetGroupVersionKind(c.subKind())
	}
	return c.runtimeObject(status, obj)
}

// subKind is the kind of a subresource's own object.
func (c *call) subKind() schema.GroupVersionKind {
	gv := c.sub.GroupVersion
	if gv.Empty() {
		gv = c.v.gvk.GroupVersion()
	}
	if c.sub.Kind == "" {
		return gv.WithKind(c.v.gvk.Kind)
	}
	return gv.WithKind(c.sub.Kind)
}

// createSubresource acts on the object in the body.
func (c *call) createSubresource(ctx context.Context) (*request.Response, error) {
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	mediaType, err := c.bodyType()
	if err != nil {
		return nil, err
	}
	o, err := createOptions(c.r)
	if err != nil {
		return nil, err
	}
	obj := c.sub.New()
	if err := c.decodeBody(mediaType, obj, c.subKind(), fieldValidation(o.FieldValidation)); err != nil {
		return nil, err
	}
	if m, err := meta.Accessor(obj); err == nil {
		if !keepsMetadata(c.sub.Name) {
			wipeSystemFields(m)
		}
		if err := c.placeInNamespace(m); err != nil {
			return nil, err
		}
	}
	if c.sub.Default != nil {
		c.sub.Default(obj)
	}
	if obj, err = c.trackOwn(c.v.own[c.sub.Name], nil, obj, o.FieldManager); err != nil {
		return nil, err
	}
	w := c.newWrite(c.r.Info.Name, o, o.DryRun)
	if obj, err = w.mutate(ctx, admission.Create, obj, nil); err != nil {
		return nil, err
	}
	defer w.drop()
	result, err := c.sub.Create(ctx, c.storeCall(o.DryRun, o.FieldManager, w.objectValidator(admission.Create)), obj)
	if err != nil {
		return nil, err
	}
	w.written()
	return c.created(result)
}

// trackOwn records in the managedFields of an object that is not one of the
// resource's what the client changed from live, nil for a new object. r
// describes the object; without it nothing is recorded.
func (c *call) trackOwn(r *registry.Resource, live, obj runtime.Object, manager string) (runtime.Object, error) {
	next, ok := obj.(scheme.Object)
	if !ok || r == nil || c.h.FieldManager == nil || r.Versions[0].New == nil {
		return obj, nil
	}
	current, ok := live.(scheme.Object)
	if !ok {
		current = r.Versions[0].New()
	}
	current.GetObjectKind().SetGroupVersionKind(obj.GetObjectKind().GroupVersionKind())
	return c.h.FieldManager.Update(r, r.Versions[0].Name, c.subName(), current, next, c.fieldManager(manager))
}

// keepsMetadata tells the subresources whose object's metadata says something
// about the object that it is for: a Binding names the pod's uid, a TokenRequest
// the service account's.
func keepsMetadata(subresource string) bool {
	return subresource == "binding" || subresource == "token"
}

// created answers a create with whatever it gave. A Status carries the code.
func (c *call) created(obj runtime.Object) (*request.Response, error) {
	if s, ok := obj.(*metav1.Status); ok {
		if s.Code == 0 {
			s.Code = http.StatusCreated
		}
		return c.runtimeObject(http.StatusCreated, s)
	}
	if c.sub != nil {
		return c.subObject(http.StatusCreated, obj)
	}
	return c.runtimeObject(http.StatusCreated, obj)
}

// updateSubresource writes the body through the subresource.
func (c *call) updateSubresource(ctx context.Context) (*request.Response, error) {
	if c.sub.Update == nil {
		return c.replace(ctx, c.sub.Strategy)
	}
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	o, err := updateOptions(c.r)
	if err != nil {
		return nil, err
	}
	mediaType, err := c.bodyType()
	if err != nil {
		return nil, err
	}
	read := func() (runtime.Object, error) {
		obj := c.sub.New()
		if err := c.decodeBody(mediaType, obj, c.subKind(), fieldValidation(o.FieldValidation)); err != nil {
			return nil, err
		}
		return obj, c.checkSubObject(obj)
	}
	obj, err := read()
	if err != nil {
		return nil, err
	}
	return c.writeSubresource(ctx, o, func(current runtime.Object) (runtime.Object, error) {
		return c.trackOwn(c.v.own[c.sub.Name], current, obj.DeepCopyObject(), o.FieldManager)
	})
}

// checkSubObject compares the name and namespace of a subresource's own object
// with the path.
func (c *call) checkSubObject(obj runtime.Object) error {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil //nolint:nilerr // an object without metadata says nothing that could be wrong
	}
	if err := c.placeInNamespace(m); err != nil {
		return err
	}
	return c.checkName(m)
}

// patchSubresource patches the object through the subresource.
func (c *call) patchSubresource(ctx context.Context) (*request.Response, error) {
	if c.sub.Update == nil {
		return c.change(ctx, c.sub.Strategy)
	}
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	patchType := strings.TrimSpace(c.patchType())
	o, err := patchOptions(c.r, patchType)
	if err != nil {
		return nil, err
	}
	p := c.newPatcher(patchType, o)
	p.gvk = c.subKind()
	if patchType == applyPatch {
		return c.writeSubresource(ctx, patchAsUpdate(o), p.applyOwn)
	}
	return c.writeSubresource(ctx, patchAsUpdate(o), func(current runtime.Object) (runtime.Object, error) {
		next := c.sub.New()
		current.GetObjectKind().SetGroupVersionKind(p.gvk)
		if err := p.into(current, next); err != nil {
			return nil, err
		}
		next.GetObjectKind().SetGroupVersionKind(p.gvk)
		if err := c.checkSubObject(next); err != nil {
			return nil, err
		}
		return c.trackOwn(c.v.own[c.sub.Name], current, next, o.FieldManager)
	})
}

// applyOwn merges the body into a subresource's own object by server-side apply.
func (p *patcher) applyOwn(current runtime.Object) (runtime.Object, error) {
	live, ok := current.(scheme.Object)
	own := p.c.v.own[p.c.sub.Name]
	if !ok || own == nil {
		return nil, errNoApply
	}
	live.GetObjectKind().SetGroupVersionKind(p.gvk)
	next, err := p.applyTo(own, own.Versions[0].Name, live)
	if err != nil {
		return nil, err
	}
	return next, p.c.checkSubObject(next)
}

// writeSubresource writes what next makes of the subresource's current object,
// fields tracked.
func (c *call) writeSubresource(ctx context.Context, o *metav1.UpdateOptions, next func(current runtime.Object) (runtime.Object, error)) (*request.Response, error) {
	w := c.newWrite(c.r.Info.Name, o, o.DryRun)
	call := c.storeCall(o.DryRun, o.FieldManager, w.objectValidator(admission.Update))
	defer w.drop()
	result, err := c.sub.Update(ctx, call, func(current runtime.Object) (runtime.Object, error) {
		obj, err := next(current)
		if err != nil {
			return nil, err
		}
		return w.mutate(ctx, admission.Update, obj, current)
	})
	if err != nil {
		return nil, err
	}
	w.written()
	return c.subObject(http.StatusOK, result)
}

// connect hands the request to the subresource, which streams.
func (c *call) connect(ctx context.Context) (*request.Response, error) {
	if strings.Contains(c.r.RawQuery, "dryRun") && len(c.r.Query()["dryRun"]) > 0 {
		return nil, errDryRunOnConnect
	}
	if c.r.Info.Name == "" {
		return nil, errNameMissing
	}
	options, err := c.connectOptions()
	if err != nil {
		return nil, err
	}
	if !c.sub.Reads {
		if options, err = c.admitConnect(ctx, options); err != nil {
			return nil, err
		}
	}
	call := c.storeCall(nil, "", nil)
	call.Options = options
	return c.sub.Connect(ctx, call, c.r)
}

func (c *call) admitConnect(ctx context.Context, options runtime.Object) (runtime.Object, error) {
	w := c.newWrite(c.r.Info.Name, nil, nil)
	options, err := w.mutate(ctx, admission.Connect, options, nil)
	if err != nil {
		return nil, err
	}
	if validate := w.objectValidator(admission.Connect); validate != nil {
		return options, validate(ctx, options, nil)
	}
	return options, nil
}

// connectOptions are the query of a connect as an object; nil when the
// subresource has no type for them. The path of a proxy is one of them,
// whatever the query says.
func (c *call) connectOptions() (runtime.Object, error) {
	if c.sub.Options == nil {
		return nil, nil
	}
	obj, query := c.sub.Options(), c.r.Query()
	if takesPath(c.sub.Name) {
		query = url.Values{"path": {c.restOfPath()}}
	}
	if err := queryInto(query, obj); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return obj, nil
}

// restOfPath is what follows the subresource in the path, with a slash before it
// and, when the path ends with one, behind it.
func (c *call) restOfPath() string {
	rest := ""
	if parts := c.r.Info.Parts; len(parts) > 3 {
		rest = "/" + strings.Join(parts[3:], "/")
	}
	if strings.HasSuffix(c.r.Path, "/") && !strings.HasSuffix(rest, "/") {
		rest += "/"
	}
	return rest
}

// Virtual resources.

func (c *call) createVirtual(ctx context.Context) (*request.Response, error) {
	virtual := c.e.Resource.Virtual
	mediaType, err := c.bodyType()
	if err != nil {
		return nil, err
	}
	o, err := createOptions(c.r)
	if err != nil {
		return nil, err
	}
	obj := virtual.New()
	if err := c.decodeBody(mediaType, obj, c.v.gvk, fieldValidation(o.FieldValidation)); err != nil {
		return nil, err
	}
	name := ""
	if m, err := meta.Accessor(obj); err == nil {
		wipeSystemFields(m)
		if err := c.placeInNamespace(m); err != nil {
			return nil, err
		}
		name = m.GetName()
	}
	if tracked, ok := obj.(scheme.Object); ok {
		empty := func() scheme.Object { return virtual.New().(scheme.Object) }
		if obj, err = c.track(empty, tracked, o.FieldManager); err != nil {
			return nil, err
		}
	}
	if o, ok := obj.(scheme.Object); ok && c.e.Version.Default != nil {
		c.e.Version.Default(o)
	}
	if obj, err = c.trackOwn(c.e.Resource, nil, obj, o.FieldManager); err != nil {
		return nil, err
	}
	w := c.newWrite(name, o, o.DryRun)
	if obj, err = w.mutate(ctx, admission.Create, obj, nil); err != nil {
		return nil, err
	}
	call := c.storeCall(o.DryRun, o.FieldManager, w.objectValidator(admission.Create))
	call.Name = name
	defer w.drop()
	result, err := virtual.Create(ctx, call, obj)
	if err != nil {
		return nil, err
	}
	w.written()
	if _, isStatus := result.(*metav1.Status); !isStatus {
		result.GetObjectKind().SetGroupVersionKind(c.v.gvk)
	}
	return c.created(result)
}

func (c *call) getVirtual(ctx context.Context) (*request.Response, error) {
	if _, err := getOptions(c.r); err != nil {
		return nil, err
	}
	obj, err := c.e.Resource.Virtual.Get(ctx, c.storeCall(nil, "", nil))
	if err != nil {
		return nil, err
	}
	obj.GetObjectKind().SetGroupVersionKind(c.v.gvk)
	return c.runtimeObject(http.StatusOK, obj)
}
