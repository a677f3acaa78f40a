package match

import (
	"fmt"
	"reflect"

	"pilothouse/backend/admission"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// Own tells whether the write's objects are those of the resource, which have
// its versions, and not a subresource's own (Scale, Binding).
func (t *Target) own() bool {
	return t.Kind.Group == t.resource.Group && t.Kind.Kind == t.resource.Kind
}

// View gives an object of a write, which is in the storage version, in the
// target's version, saying so itself. It shares memory with obj; nobody may
// change it. nil stays nil.
func (t *Target) View(obj runtime.Object) (runtime.Object, error) {
	if isNil(obj) {
		return nil, nil
	}
	if t.own() && t.Version.FromHub != nil {
		o, ok := obj.(scheme.Object)
		if !ok {
			return nil, fmt.Errorf("%T has no metadata", obj)
		}
		converted, err := t.Version.FromHub(o)
		if err != nil {
			return nil, err
		}
		obj = converted
	}
	return named(obj, t.Kind), nil
}

// Hub turns an object in the target's version into the storage version, where
// nobody else sees it.
func (t *Target) Hub(obj runtime.Object) (runtime.Object, error) {
	o, ok := obj.(scheme.Object)
	if !t.own() || t.Version.ToHub == nil || !ok {
		return obj, nil
	}
	converted, err := t.Version.ToHub(o)
	if err != nil {
		return nil, err
	}
	return converted, nil
}

// New gives an empty object like one that View gave.
func (t *Target) New(like runtime.Object) runtime.Object {
	if t.own() && !t.resource.Dynamic {
		return t.Version.New()
	}
	if _, ok := like.(*unstructured.Unstructured); ok {
		return &unstructured.Unstructured{}
	}
	return reflect.New(reflect.TypeOf(like).Elem()).Interface().(runtime.Object)
}

// Default fills in what a changed object leaves out and drops what its schema
// does not have.
func (t *Target) Default(obj runtime.Object) error {
	o, ok := obj.(scheme.Object)
	if !ok || !t.own() {
		return nil
	}
	if t.Version.Coerce != nil {
		if _, err := t.Version.Coerce(o, false); err != nil {
			return err
		}
	}
	if t.Version.Default != nil {
		t.Version.Default(o)
	}
	return nil
}

// Dynamic tells a resource that a CRD defines.
func (t *Target) Dynamic() bool { return t.resource.Dynamic }

// named gives obj with its kind set, copying the outermost struct where that
// changes it.
func named(obj runtime.Object, gvk schema.GroupVersionKind) runtime.Object {
	if obj.GetObjectKind().GroupVersionKind() == gvk {
		return obj
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		m := make(map[string]any, len(u.Object))
		for k, v := range u.Object {
			m[k] = v
		}
		out := &unstructured.Unstructured{Object: m}
		out.SetGroupVersionKind(gvk)
		return out
	}
	v := reflect.New(reflect.TypeOf(obj).Elem())
	v.Elem().Set(reflect.ValueOf(obj).Elem())
	out, ok := v.Interface().(runtime.Object)
	if !ok {
		return obj
	}
	out.GetObjectKind().SetGroupVersionKind(gvk)
	return out
}

func isNil(obj runtime.Object) bool {
	if obj == nil {
		return true
	}
	v := reflect.ValueOf(obj)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Options gives the options of a write as clients are shown them, with their
// kind.
func Options(a *admission.Attributes) runtime.Object {
	kind := ""
	switch a.Options.(type) {
	case *metav1.CreateOptions:
		kind = "CreateOptions"
	case *metav1.UpdateOptions:
		kind = "UpdateOptions"
	case *metav1.PatchOptions:
		kind = "PatchOptions"
	case *metav1.DeleteOptions:
		kind = "DeleteOptions"
	}
	if kind == "" || isNil(a.Options) {
		return nil
	}
	return named(a.Options, metav1.SchemeGroupVersion.WithKind(kind))
}

// FieldTypes are the merge types of a resource that a CRD defines; nil for others,
// whose types go with their Go types.
func (t *Target) FieldTypes() managedfields.TypeConverter { return t.resource.FieldTypes }
