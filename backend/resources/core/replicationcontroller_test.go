package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func rc(name string, change func(*corev1.ReplicationController)) *corev1.ReplicationController {
	out := &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	out.Spec.Template = &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i:1"}}},
	}
	change(out)
	return out
}

func TestReplicationController(t *testing.T) {
	s := newServer(t)
	store := s.store("", "replicationcontrollers")
	got, err := create(s, store, rc("rc", func(*corev1.ReplicationController) {}), false)
	if err != "" {
		t.Fatal(err)
	}
	if got.Spec.Selector["a"] != "b" || got.Labels["a"] != "b" || *got.Spec.Replicas != 1 || got.Generation != 1 {
		t.Errorf("got %+v", got)
	}
	if !store.Resource().Strategy.OrphanByDefault {
		t.Error("pods go with their controller unless told otherwise")
	}
	f := func(change func(*corev1.ReplicationController), want ...string) {
		t.Helper()
		_, err := create(s, store, rc("bad", change), false)
		for _, text := range want {
			if !strings.Contains(err, text) {
				t.Errorf("%q, want %q", err, text)
			}
		}
	}
	f(func(r *corev1.ReplicationController) { r.Spec.Template = nil }, "spec.selector: Required value", "spec.template: Required value")
	f(func(r *corev1.ReplicationController) { r.Spec.Replicas, r.Spec.MinReadySeconds = new(int32(-1)), -2 },
		"spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0", "spec.replicas: Invalid value: -1: must be greater than or equal to 0")
	f(func(r *corev1.ReplicationController) { r.Spec.Selector = map[string]string{"c": "d"} },
		"spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`")
	f(func(r *corev1.ReplicationController) { r.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever },
		`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`)

	got, err = update(s, store, "ns", "rc", func(r *corev1.ReplicationController) {
		r.Spec.Replicas, r.Status.Replicas = new(int32(3)), 9
	})
	if err != "" || got.Generation != 2 || got.Status.Replicas != 0 {
		t.Errorf("%s: generation %d, status %+v", err, got.Generation, got.Status)
	}
	got.Status = corev1.ReplicationControllerStatus{Replicas: 2, ReadyReplicas: 1}
	clock := func() time.Time { return got.CreationTimestamp.Add(time.Minute) }
	if cells := fmt.Sprint(store.Resource().Cells(got, clock)...); cells != fmt.Sprint("rc", int64(3), int64(2), int64(1), "60s", "c", "i:1", "a=b") {
		t.Errorf("row %s", cells)
	}
	if f := store.Resource().Fields[0]; f.Name != "status.replicas" || f.Get(got) != "2" {
		t.Errorf("field %s is %q", f.Name, f.Get(got))
	}
}

func TestPodTemplate(t *testing.T) {
	s := newServer(t)
	store := s.store("", "podtemplates")
	pt := &corev1.PodTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "t"}}
	if _, err := create(s, store, pt.DeepCopy(), false); !strings.Contains(err, "template.spec.containers: Required value") {
		t.Errorf("empty: %s", err)
	}
	pt.Template = *rc("", func(*corev1.ReplicationController) {}).Spec.Template
	got, err := create(s, store, pt, false)
	if err != "" {
		t.Fatal(err)
	}
	if got.Template.Spec.DNSPolicy != corev1.DNSClusterFirst || got.Generation != 1 {
		t.Errorf("got %+v", got)
	}
	got, err = update(s, store, "ns", "t", func(p *corev1.PodTemplate) { p.Template.Labels["x"] = "y" })
	if err != "" || got.Generation != 2 {
		t.Errorf("%s: generation %d", err, got.Generation)
	}
	got, err = update(s, store, "ns", "t", func(p *corev1.PodTemplate) { p.Labels = map[string]string{"x": "y"} })
	if err != "" || got.Generation != 2 {
		t.Errorf("%s: generation %d after a change of the metadata", err, got.Generation)
	}
	clock := func() time.Time { return got.CreationTimestamp.Add(time.Minute) }
	if cells := fmt.Sprint(store.Resource().Cells(got, clock)...); cells != fmt.Sprint("t", "c", "i:1", "a=b,x=y") {
		t.Errorf("row %s", cells)
	}
}
