package pages

import (
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const faulty = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
  labels: {"a.b/c": d}
spec:
  replicas: three
  template:
    spec:
      containers:
      - name: one
        image: i
      - name: two
        imag: j
        env: [{name: A, value: b}]
data:
  a.b: c
  a: {b.c: d}
`

func invalid(path string) error {
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Deployment"}, "a", field.ErrorList{field.Invalid(field.NewPath(path), "x", "is wrong")})
}

func TestLinesOfAnError(t *testing.T) {
	f := func(err error, want ...int) {
		t.Helper()
		if got := numbersOf(faultLines(err, faulty, 10)); !slices.Equal(got, want) {
			t.Errorf("%v: lines %v, want %v", err, got, want)
		}
	}
	f(invalid("spec.replicas"), 17)
	f(invalid("spec.template.spec.containers[1].imag"), 24)
	f(invalid("spec.template.spec.containers[1].image"), 23) // it is missing: where it would be
	f(invalid("spec.template.spec.containers[9].image"), 20)
	f(invalid("metadata.labels[a.b/c]"), 15)
	f(invalid("metadata.labels.a.b/c"), 15)
	f(invalid("data.a.b"), 27)
	f(invalid("nothing.of.it"))
	f(apierrors.NewBadRequest(`Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[1].imag", unknown field "spec.replicas"`), 24, 17)
	f(apierrors.NewBadRequest(`json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`), 17)
	f(apierrors.NewBadRequest(`failed to create typed patch object (a/a; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string`), 17)
	f(apierrors.NewBadRequest(`errors: .spec.template.spec.containers[name="two"].imag: field not declared in schema`), 24)
	f(apierrors.NewBadRequest("something else"))
	f(&apierrors.StatusError{ErrStatus: metav1.Status{Message: "x"}})
	if got := faultLines(badRequest("The text is not YAML: yaml: line 12: did not find"), "a: b\n  c: d\n", 10); len(got) != 1 || got[0].Line != 12 || got[0].Was != "  c: d" {
		t.Errorf("%v", got)
	}
	if got := faultLines(invalid("spec.replicas"), faulty, 0); got[0].Was != "  replicas: three" || got[0].Column != 3 {
		t.Errorf("%+v", got)
	}
}

func FuzzNodeAt(f *testing.F) {
	f.Add("spec.a[0].b", faulty)
	f.Add(`a[name="x",p=1].b`, "a: [{name: x, p: 1, b: c}]")
	f.Add("a.", "a: &x [*x]\n")
	f.Fuzz(func(_ *testing.T, path, text string) { faultLines(invalid(path), text, 0) })
}
