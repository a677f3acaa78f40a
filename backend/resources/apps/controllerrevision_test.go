package apps

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func quantity(s string) resource.Quantity { return resource.MustParse(s) }

func TestControllerRevision(t *testing.T) {
	res := controllerRevisionResource(env)
	r := &appsv1.ControllerRevision{}
	r.Name, r.CreationTimestamp = "r", hourOld
	r.Revision = -1
	expect(t, "empty", lines(res.Strategy.Validate(t.Context(), r)), []string{
		`data: Required value: data is mandatory`,
		`revision: Invalid value: -1: must be greater than or equal to 0`,
	})
	r.Revision, r.Data = 3, runtime.RawExtension{Raw: []byte(`{"a":1}`)}
	expect(t, "good", lines(res.Strategy.Validate(t.Context(), r)), nil)
	changed := r.DeepCopy()
	changed.Revision = 4
	expect(t, "revision", lines(res.Strategy.ValidateUpdate(t.Context(), changed, r)), nil)
	changed.Data.Raw = []byte(`{"a":2}`)
	expect(t, "data", lines(res.Strategy.ValidateUpdate(t.Context(), changed, r)), []string{`data: Invalid value: {"a":2}: field is immutable`})

	if got := asJSON(t, res.Cells(r, env.Clock)); got != asJSON(t, []any{"r", "<none>", 3, "60m"}) {
		t.Errorf("row %s", got)
	}
	r.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "s", Controller: new(true)}}
	if got := controllerOf(r); got != "statefulset.apps/s" {
		t.Errorf("controller %s", got)
	}
}
