package admission

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// probe is a plugin that writes down when it is called.
type probe struct {
	name     string
	handles  func(op Operation, subresource string) bool
	mutate   func(a *Attributes) error
	validate func(a *Attributes) error
	log      *[]string
	asked    int
}

func (p *probe) Name() string { return p.name }

func (p *probe) Handles(op Operation, _ *registry.Entry, subresource string) bool {
	p.asked++
	return p.handles == nil || p.handles(op, subresource)
}

type mutatingProbe struct{ *probe }

func (p mutatingProbe) Mutate(_ context.Context, a *Attributes) error {
	*p.log = append(*p.log, "mutate "+p.name)
	if p.mutate == nil {
		return nil
	}
	return p.mutate(a)
}

type validatingProbe struct{ *probe }

func (p validatingProbe) Validate(_ context.Context, a *Attributes) error {
	*p.log = append(*p.log, "validate "+p.name)
	if p.validate == nil {
		return nil
	}
	return p.validate(a)
}

func entry() *registry.Entry {
	res := &registry.Resource{Name: "configmaps", Kind: "ConfigMap", Versions: []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.ConfigMap{} }}}}
	return &registry.Entry{Resource: res, Version: &res.Versions[0]}
}

func attributes(op Operation) *Attributes {
	e := entry()
	return &Attributes{Operation: op, Entry: e, Resource: e.GVR(), Kind: e.GVK(), Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "one"}}}
}

func TestChainOrder(t *testing.T) {
	var log []string
	c := New(
		mutatingProbe{&probe{name: "a", log: &log}},
		validatingProbe{&probe{name: "b", log: &log}},
		mutatingProbe{&probe{name: "c", log: &log, handles: func(op Operation, _ string) bool { return op == Delete }}},
		validatingProbe{&probe{name: "d", log: &log, validate: func(*Attributes) error { return errors.New("no") }}},
		validatingProbe{&probe{name: "e", log: &log}},
	)
	a := attributes(Create)
	if err := c.Mutate(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(t.Context(), a); err == nil || err.Error() != "no" {
		t.Errorf("error %v", err)
	}
	if got := strings.Join(log, ", "); got != "mutate a, validate b, validate d" {
		t.Errorf("called %s", got)
	}
	if got := strings.Join(c.Names(), ""); got != "abcde" {
		t.Errorf("names %s", got)
	}
}

// TestPluginsAreAskedOnce: what has nothing to do costs nothing.
func TestPluginsAreAskedOnce(t *testing.T) {
	var log []string
	p := &probe{name: "a", log: &log, handles: func(op Operation, _ string) bool { return op == Create }}
	c := New(validatingProbe{p})
	e := entry()
	for range 10 {
		if !c.Validates(Create, e, "") || c.Validates(Update, e, "") || c.Mutates(Create, e, "") {
			t.Fatal("wrong answer")
		}
	}
	if p.asked != 2 {
		t.Errorf("asked %d times", p.asked)
	}
	if allocs := testing.AllocsPerRun(100, func() { c.Validates(Create, e, "") }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestReinvocation(t *testing.T) {
	var log []string
	first := mutatingProbe{&probe{name: "first", log: &log}}
	second := mutatingProbe{&probe{name: "second", log: &log, mutate: func(a *Attributes) error {
		a.Reinvoke = !a.Reinvocation
		return nil
	}}}
	if err := New(first, second).Mutate(t.Context(), attributes(Create)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(log, ", "); got != "mutate first, mutate second, mutate first, mutate second" {
		t.Errorf("called %s", got)
	}
}

// TestInvalidManagedFieldsAreRestored: a mutating plugin that breaks them must
// not break the object.
func TestInvalidManagedFieldsAreRestored(t *testing.T) {
	var log []string
	good := []metav1.ManagedFieldsEntry{{Manager: "m", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:data":{}}`)}}}
	c := New(mutatingProbe{&probe{name: "a", log: &log, mutate: func(a *Attributes) error {
		a.Object.(*corev1.ConfigMap).ManagedFields = []metav1.ManagedFieldsEntry{{Operation: "Nonsense"}}
		return nil
	}}})
	a := attributes(Update)
	a.Object.(*corev1.ConfigMap).ManagedFields = good
	r := &request.Request{}
	if err := c.Mutate(request.With(t.Context(), r), a); err != nil {
		t.Fatal(err)
	}
	if got := a.Object.(*corev1.ConfigMap).ManagedFields; len(got) != 1 || got[0].Manager != "m" {
		t.Errorf("managedFields %+v", got)
	}
	if w := r.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], ".metadata.managedFields was in an invalid state after admission") {
		t.Errorf("warnings %q", w)
	}
}

func TestForbidden(t *testing.T) {
	says := func(a *Attributes, reason error, want string) {
		t.Helper()
		if err := Forbidden(a, reason); !apierrors.IsForbidden(err) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	a := attributes(Create)
	says(a, errors.New("why"), `configmaps "one" is forbidden: why`)
	a.Object = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "gen-"}}
	says(a, errors.New("why"), `configmaps "gen-" is forbidden: why`)
	a.Object = nil
	says(a, errors.New("why"), `configmaps "Unknown" is forbidden: why`)
	already := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", errors.New("other"))
	says(a, already, `pods "p" is forbidden: other`)
}

func TestNilChain(t *testing.T) {
	var c *Chain
	a := attributes(Create)
	if c.Mutates(Create, a.Entry, "") || c.Validates(Create, a.Entry, "") || c.Mutate(t.Context(), a) != nil || c.Validate(t.Context(), a) != nil {
		t.Error("a nil chain does something")
	}
}
