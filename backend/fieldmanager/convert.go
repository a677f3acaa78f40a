package fieldmanager

import (
	"fmt"
	"reflect"
	"strings"

	builtin "pilothouse/backend/fieldmanager/schema"
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// converter is what apimachinery's managedfields needs to know of one resource:
// its versions (ObjectConvertor), their defaults (ObjectDefaulter), empty
// objects (ObjectCreater) and their types (TypeConverter).
type converter struct {
	resource *registry.Resource
	hub      schema.GroupVersion
	types    managedfields.TypeConverter
	// foreign stands for a storage version of another group: events.k8s.io shows
	// objects that are stored as core Events.
	foreign *registry.Version
}

func newConverter(r *registry.Resource) *converter {
	c := &converter{resource: r}
	if v := r.Hub(); v != nil && r.StoredAs == nil {
		c.hub = schema.GroupVersion{Group: r.Group, Version: v.Name}
	}
	if c.hub.Empty() {
		c.hub = schema.GroupVersion{Group: r.Group, Version: r.Versions[0].Name}
		c.foreign = &registry.Version{}
	}
	c.types = r.FieldTypes
	if c.types == nil {
		c.types = builtinTypes{c}
	}
	return c
}

// version finds the version that an object is in: by its Go type, or by what an
// unstructured one says of itself.
func (c *converter) version(obj runtime.Object) (*registry.Version, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return c.named(u.GroupVersionKind().GroupVersion())
	}
	t := reflect.TypeOf(obj)
	for i := range c.resource.Versions {
		if v := &c.resource.Versions[i]; reflect.TypeOf(v.New()) == t {
			return v, nil
		}
	}
	if c.foreign != nil {
		return c.foreign, nil
	}
	return nil, fmt.Errorf("%T is no version of %s", obj, c.resource.Name)
}

func (c *converter) named(gv schema.GroupVersion) (*registry.Version, error) {
	if gv.Group == c.resource.Group {
		for i := range c.resource.Versions {
			if c.resource.Versions[i].Name == gv.Version {
				return &c.resource.Versions[i], nil
			}
		}
		if s := c.resource.Stored; s != nil && c.resource.StoredAs == nil && s.Name == gv.Version {
			return s, nil
		}
	}
	return nil, runtime.NewNotRegisteredErrForKind("pilothouse", gv.WithKind(c.resource.Kind))
}

func (c *converter) gvk(v *registry.Version) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: c.resource.Group, Version: v.Name, Kind: c.resource.Kind}
}

// ConvertToVersion gives obj in another version of the resource. Typed
// resources come back typed even from an unstructured object.
func (c *converter) ConvertToVersion(obj runtime.Object, target runtime.GroupVersioner) (runtime.Object, error) {
	if v, ok := obj.(*valueObject); ok {
		obj = v.object()
	}
	gv, ok := target.(schema.GroupVersion)
	if !ok {
		return nil, fmt.Errorf("convert %s: unexpected target %T", c.resource.Name, target)
	}
	from, err := c.version(obj)
	if err != nil {
		return nil, err
	}
	to, err := c.named(gv)
	if err != nil {
		return nil, err
	}
	o, err := c.structured(obj, from)
	if err != nil {
		return nil, err
	}
	if from != to {
		if o, err = convert(o, from, to); err != nil {
			return nil, err
		}
	}
	if gvk := c.gvk(to); o.GetObjectKind().GroupVersionKind() != gvk {
		if o == obj {
			o = shallow(o)
		}
		o.GetObjectKind().SetGroupVersionKind(gvk)
	}
	return o, nil
}

func convert(o scheme.Object, from, to *registry.Version) (scheme.Object, error) {
	var err error
	if from.ToHub != nil {
		if o, err = from.ToHub(o); err != nil {
			return nil, err
		}
	}
	if to.FromHub != nil {
		return to.FromHub(o)
	}
	return o, nil
}

// structured gives the Go type of an unstructured built-in object.
func (c *converter) structured(obj runtime.Object, v *registry.Version) (scheme.Object, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok || c.resource.Dynamic {
		o, ok := obj.(scheme.Object)
		if !ok {
			return nil, fmt.Errorf("%T has no metadata", obj)
		}
		return o, nil
	}
	o := v.New()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		return nil, err
	}
	return o, nil
}

// shallow copies the outermost struct, so that the kind can be set on it
// without changing the original.
func shallow(o scheme.Object) scheme.Object {
	if u, ok := o.(*unstructured.Unstructured); ok {
		m := make(map[string]any, len(u.Object))
		for k, v := range u.Object {
			m[k] = v
		}
		return &unstructured.Unstructured{Object: m}
	}
	v := reflect.New(reflect.TypeOf(o).Elem())
	v.Elem().Set(reflect.ValueOf(o).Elem())
	return v.Interface().(scheme.Object)
}

// Convert is not used by managedfields.
func (c *converter) Convert(_, _, _ any) error {
	return fmt.Errorf("convert into an object is not supported")
}

// ConvertFieldLabel is not used by managedfields.
func (c *converter) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// Default fills in an object's defaults.
func (c *converter) Default(obj runtime.Object) {
	o, ok := obj.(scheme.Object)
	if !ok {
		return
	}
	if v, err := c.version(obj); err == nil && v.Default != nil {
		v.Default(o)
	}
}

// New gives an empty object.
func (c *converter) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	v, err := c.named(gvk.GroupVersion())
	if err != nil {
		return nil, err
	}
	o := v.New()
	o.GetObjectKind().SetGroupVersionKind(gvk)
	return o, nil
}

// modelNamed is a Go type that knows its OpenAPI model's name.
type modelNamed interface{ OpenAPIModelName() string }

// builtinTypes gives built-in objects their generated types.
type builtinTypes struct{ c *converter }

func (b builtinTypes) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	v, err := b.c.version(obj)
	if err != nil {
		return nil, err
	}
	named, ok := any(v.New()).(modelNamed)
	if !ok {
		return nil, fmt.Errorf("no OpenAPI model for %s", b.c.gvk(v))
	}
	t, ok := builtin.Type(named.OpenAPIModelName())
	if !ok {
		return nil, fmt.Errorf("no schema for %s", named.OpenAPIModelName())
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return t.FromUnstructured(u.Object, opts...)
	}
	return t.FromStructured(obj, opts...)
}

// TypedToObject gives the object of a value, as it is when that is a map, and
// otherwise one that is made into a map when it is converted: mostly its kind is
// all that is asked for.
func (b builtinTypes) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	x := v.AsValue()
	if x == nil || !x.IsMap() {
		return nil, fmt.Errorf("a merged %s is no object", b.c.resource.Kind)
	}
	return &valueObject{x}, nil
}

// valueObject is an object that exists as a value only.
type valueObject struct{ value value.Value }

// GetObjectKind gives the kind that the value names.
func (o *valueObject) GetObjectKind() schema.ObjectKind {
	m := o.value.AsMap()
	text := func(field string) string {
		if v, ok := m.Get(field); ok && v.IsString() {
			return v.AsString()
		}
		return ""
	}
	return &metav1.TypeMeta{APIVersion: text("apiVersion"), Kind: text("kind")}
}

// DeepCopyObject gives an object of its own.
func (o *valueObject) DeepCopyObject() runtime.Object { return o.object().DeepCopy() }

func (o *valueObject) object() *unstructured.Unstructured {
	m, _ := o.value.Unstructured().(map[string]any)
	return &unstructured.Unstructured{Object: m}
}

func splitPath(dotted string) (fieldpath.Path, error) {
	var parts []any
	for _, p := range strings.Split(dotted, ".") {
		parts = append(parts, p)
	}
	return fieldpath.MakePath(parts...)
}
