package main

import (
	"context"
	"fmt"

	"pilothouse/e2e/aggregated/library"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
)

// strategy is how books are written.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	// status is set where only the status is written.
	status bool
}

func newStrategy(scheme *runtime.Scheme) strategy {
	return strategy{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator}
}

func (strategy) NamespaceScoped() bool          { return true }
func (strategy) AllowCreateOnUpdate() bool      { return false }
func (strategy) AllowUnconditionalUpdate() bool { return true }
func (strategy) Canonicalize(runtime.Object)    {}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	b := obj.(*library.Book)
	b.Status, b.Generation = library.BookStatus{}, 1
}

func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	b, was := obj.(*library.Book), old.(*library.Book)
	if s.status {
		status, managed := b.Status, b.ManagedFields
		was.DeepCopyObject().(*library.Book).ObjectMeta.DeepCopyInto(&b.ObjectMeta)
		b.Spec, b.Status, b.ManagedFields = was.Spec, status, managed
		return
	}
	b.Status = was.Status
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	if b := obj.(*library.Book); b.Spec.Pages < 0 {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "pages"), b.Spec.Pages, "no book has less than none")}
	}
	return nil
}

func (s strategy) ValidateUpdate(ctx context.Context, obj, _ runtime.Object) field.ErrorList {
	return s.Validate(ctx, obj)
}

func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// status serves the status of books.
type status struct{ *books }

func (s status) New() runtime.Object { return &library.Book{} }
func (s status) Destroy()            {}

func (s status) Get(ctx context.Context, name string, o *metav1.GetOptions) (runtime.Object, error) {
	return s.books.Get(ctx, name, o)
}

func (s status) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, valid rest.ValidateObjectUpdateFunc, _ bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	by := s.strategy
	by.status = true
	return s.update(ctx, by, name, info, create, valid, false, o)
}

// columns makes tables of books.
type columns struct{}

func (columns) ConvertToTable(_ context.Context, obj, _ runtime.Object) (*metav1.Table, error) {
	t := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name"}, {Name: "Title", Type: "string"}, {Name: "Pages", Type: "integer"}, {Name: "Lent To", Type: "string"},
	}}
	row := func(b *library.Book) {
		t.Rows = append(t.Rows, metav1.TableRow{Cells: []any{b.Name, b.Spec.Title, b.Spec.Pages, b.Status.LentTo}, Object: runtime.RawExtension{Object: b}})
	}
	switch o := obj.(type) {
	case *library.Book:
		row(o)
		t.ResourceVersion = o.ResourceVersion
	case *library.BookList:
		for i := range o.Items {
			row(&o.Items[i])
		}
		t.ResourceVersion = o.ResourceVersion
	default:
		return nil, fmt.Errorf("no table of %T", obj)
	}
	if m, err := meta.ListAccessor(obj); err == nil {
		t.Continue = m.GetContinue()
	}
	return t, nil
}
