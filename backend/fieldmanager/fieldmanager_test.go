package fieldmanager

import (
	"encoding/json"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
)

func find(t testing.TB, group, name string) *registry.Resource {
	t.Helper()
	all := resources.All(&registry.Env{})
	for i := range all {
		if all[i].Group == group && all[i].Name == name {
			return &all[i]
		}
	}
	t.Fatalf("no resource %s.%s", name, group)
	return nil
}

func TestCreateRecordsEveryFieldOfTheManager(t *testing.T) {
	r := find(t, "", "configmaps")
	obj := &corev1.ConfigMap{Data: map[string]string{"a": "1"}}
	obj.Name, obj.Labels = "one", map[string]string{"app": "web"}
	out, err := New().Update(r, "v1", "", &corev1.ConfigMap{}, obj, "tester")
	if err != nil {
		t.Fatal(err)
	}
	m := out.GetManagedFields()
	if len(m) != 1 || m[0].Manager != "tester" || m[0].Operation != "Update" || m[0].APIVersion != "v1" {
		t.Fatalf("managedFields: %+v", m)
	}
	want := `{"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{".":{},"f:app":{}}}}`
	if got := string(m[0].FieldsV1.Raw); got != want {
		t.Errorf("fields\n got %s\nwant %s", got, want)
	}
}

const applied = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "i:1"}]}
`

func apply(t *testing.T, m *Manager, r *registry.Resource, live scheme.Object, doc, manager string, force bool) (scheme.Object, error) {
	t.Helper()
	patch, strict, err := ParsePatch([]byte(doc))
	if err != nil || strict() != nil {
		t.Fatal(err)
	}
	return m.Apply(r, "v1", "", live, patch, manager, force)
}

func TestApplyCreatesConflictsAndForces(t *testing.T) {
	r, m := find(t, "apps", "deployments"), New()
	live, err := apply(t, m, r, &appsv1.Deployment{}, applied, "first", false)
	if err != nil {
		t.Fatal(err)
	}
	d := live.(*appsv1.Deployment)
	if d.Spec.Template.Spec.Containers[0].Image != "i:1" || len(d.ManagedFields) != 1 {
		t.Fatalf("applied %+v", d)
	}
	_, err = apply(t, m, r, live, strings.Replace(applied, "i:1", "i:2", 1), "second", false)
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `.spec.template.spec.containers[name="c"].image`) {
		t.Fatalf("expected a conflict, got %v", err)
	}
	live, err = apply(t, m, r, live, strings.Replace(applied, "i:1", "i:2", 1), "second", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range live.GetManagedFields() {
		owns := strings.Contains(string(e.FieldsV1.Raw), "f:image")
		if owns != (e.Manager == "second") {
			t.Errorf("%s owns the image: %v", e.Manager, owns)
		}
	}
}

// An update by a second manager takes over what it changed and nothing else.
func TestUpdateTakesOverChangedFields(t *testing.T) {
	r, m := find(t, "apps", "deployments"), New()
	live, err := apply(t, m, r, &appsv1.Deployment{}, applied, "first", false)
	if err != nil {
		t.Fatal(err)
	}
	next := live.DeepCopyObject().(*appsv1.Deployment)
	three := int32(3)
	next.Spec.Replicas = &three
	out, err := m.Update(r, "v1", "", live, next, "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(out.GetManagedFields())
	if !strings.Contains(string(raw), `{"f:spec":{"f:replicas":{}}}`) {
		t.Errorf("managedFields: %s", raw)
	}
}

func BenchmarkUpdateDeployment(b *testing.B) {
	r, m := find(b, "apps", "deployments"), New()
	patch, _, _ := ParsePatch([]byte(applied))
	live, err := m.Apply(r, "v1", "", &appsv1.Deployment{}, patch, "first", false)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		next := live.DeepCopyObject().(*appsv1.Deployment)
		three := int32(3)
		next.Spec.Replicas = &three
		if _, err := m.Update(r, "v1", "", live, next, "kubectl"); err != nil {
			b.Fatal(err)
		}
	}
}

// A write through a path that changes few fields owns what it asked for besides,
// as with a kube-apiserver 1.36.2.
func TestOwnsThroughResize(t *testing.T) {
	r, m := find(t, "", "pods"), New()
	live := &corev1.Pod{}
	live.Name = "p"
	live.Spec.Containers = []corev1.Container{{Name: "c", Image: "i:1"}}
	changed := live.DeepCopy()
	changed.Labels = map[string]string{"a": "b"}
	changed.Spec.Containers[0].Image = "i:2"
	changed.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
	out, err := m.Update(r, "v1", "resize", live, changed, "tester")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:image":{},"f:resources":{"f:limits":{".":{},"f:cpu":{}}}}}}}`
	for _, e := range out.GetManagedFields() {
		if e.Manager == "tester" {
			if got := string(e.FieldsV1.Raw); got != want || e.Subresource != "resize" {
				t.Errorf("%s owns\n got %s\nwant %s", e.Subresource, got, want)
			}
			return
		}
	}
	t.Errorf("managedFields: %+v", out.GetManagedFields())
}
