// Package resourcetest takes objects that are written as YAML through what a
// resource does to them, for tests of the packages of resources: defaults,
// strategies, validation and the table form, without a server.
package resourcetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// Now is the time of every test: two hours after the objects were created that
// say 2026-01-01T00:00:00Z.
func Now() time.Time { return time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC) }

// Kind is a resource whose objects have the Go type T.
type Kind[T scheme.Object] struct {
	*testing.T
	registry.Resource
	Ctx context.Context
}

// Of finds a resource by its plural name.
func Of[T scheme.Object](t *testing.T, resources []registry.Resource, name string) Kind[T] {
	t.Helper()
	for _, r := range resources {
		if r.Name == name {
			return Kind[T]{T: t, Resource: r, Ctx: t.Context()}
		}
	}
	t.Fatalf("there is no resource %s", name)
	return Kind[T]{}
}

// Read reads an object and fills in its defaults.
func (k Kind[T]) Read(text string) T {
	k.Helper()
	v := k.Versions[0]
	obj := v.New()
	if err := yaml.UnmarshalStrict([]byte(text), obj); err != nil {
		k.Fatal(err)
	}
	if v.Default != nil {
		v.Default(obj)
	}
	return obj.(T)
}

// New is Read for an object that is about to be created.
func (k Kind[T]) New(text string) T {
	k.Helper()
	obj := k.Read(text)
	if k.Strategy.PrepareForCreate != nil {
		k.Strategy.PrepareForCreate(k.Ctx, obj)
	}
	return obj
}

// Create tells whether the faults of a new object are those of want.
func (k Kind[T]) Create(text string, want ...string) {
	k.Helper()
	var errs field.ErrorList
	if obj := k.New(text); k.Strategy.Validate != nil {
		errs = k.Strategy.Validate(k.Ctx, obj)
	}
	Expect(k.T, errs, want...)
}

// Update is Create for an update of one object to another one; it gives what
// would be stored.
func (k Kind[T]) Update(from, to string, want ...string) T {
	k.Helper()
	obj, errs := k.write(&k.Strategy, from, to)
	Expect(k.T, errs, want...)
	return obj
}

// UpdateSubresource is Update through a subresource that shows the object.
func (k Kind[T]) UpdateSubresource(name, from, to string, want ...string) T {
	k.Helper()
	for _, s := range k.Subresources {
		if s.Name == name {
			obj, errs := k.write(s.Strategy, from, to)
			Expect(k.T, errs, want...)
			return obj
		}
	}
	k.Fatalf("there is no subresource %s", name)
	panic("unreachable")
}

func (k Kind[T]) write(s *registry.Strategy, from, to string) (T, field.ErrorList) {
	k.Helper()
	old, obj := k.Read(from), k.Read(to)
	if s.PrepareForUpdate != nil {
		s.PrepareForUpdate(k.Ctx, obj, old)
	}
	var errs field.ErrorList
	if s.ValidateUpdate != nil {
		errs = s.ValidateUpdate(k.Ctx, obj, old)
	}
	return obj, errs
}

// JSON tells whether an object's JSON is want.
func (k Kind[T]) JSON(obj T, want string) {
	k.Helper()
	got, err := yaml.Marshal(obj)
	if err != nil {
		k.Fatal(err)
	}
	var wanted any
	if err := yaml.Unmarshal([]byte(want), &wanted); err != nil {
		k.Fatal(err)
	}
	if sorted, err := yaml.Marshal(wanted); err != nil || string(sorted) != string(got) {
		k.Errorf("%v got:\n%s\nwant:\n%s", err, got, sorted)
	}
}

// Row tells whether the values of an object's row are want, in words, with a
// bar between two of them.
func (k Kind[T]) Row(text, want string) {
	k.Helper()
	cells := k.Cells(k.Read(text), registry.Clock(Now))
	if len(cells) != len(k.Columns) {
		k.Errorf("%d cells in %d columns", len(cells), len(k.Columns))
	}
	var words []string
	for _, c := range cells {
		words = append(words, fmt.Sprint(c))
	}
	if got := strings.Join(words, " | "); got != want {
		k.Errorf("row:\n%s\nwant:\n%s", got, want)
	}
}

// Expect tells whether the faults in their order are those of want.
func Expect(t *testing.T, errs field.ErrorList, want ...string) {
	t.Helper()
	var got []string
	for _, e := range errs {
		got = append(got, e.Error())
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("faults:\n%s\nwant:\n%s", a, b)
	}
}
