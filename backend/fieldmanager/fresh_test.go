package fieldmanager

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/randfill"
)

func filler(seed int64) *randfill.Filler {
	return randfill.NewWithSeed(seed).NilChance(0.4).NumElements(0, 3).MaxDepth(12).Funcs(
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(c.Int63n(1000), resource.DecimalSI)
		},
		func(t *metav1.Time, c randfill.Continue) { *t = metav1.NewTime(time.Unix(c.Int63n(1e9), 0).UTC()) },
		func(t *metav1.MicroTime, c randfill.Continue) {
			*t = metav1.NewMicroTime(time.Unix(c.Int63n(1e9), 0).UTC())
		},
		func(x *intstr.IntOrString, c randfill.Continue) {
			if *x = intstr.FromInt32(c.Int31n(100)); x.IntVal%2 > 0 {
				*x = intstr.FromString("http")
			}
		},
		func(x *runtime.RawExtension, c randfill.Continue) { x.Raw = []byte(`{"a":{"b":1}}`) },
		func(m *metav1.FieldsV1, c randfill.Continue) { m.Raw = []byte("{}") },
		func(m *metav1.ManagedFieldsEntry, c randfill.Continue) {},
	)
}

// For random objects of every kind, the fields of a create are what the whole
// machinery of apimachinery makes of it.
func TestFreshFieldsAreThoseOfTheMachinery(t *testing.T) {
	all := resources.All(&registry.Env{})
	const rounds = 40
	done := 0
	for i := range all {
		r := &all[i]
		m := New()
		if r.Virtual != nil {
			continue
		}
		version := r.Versions[0].Name
		for seed := range int64(rounds) {
			obj := r.Versions[0].New()
			filler(seed + 1).Fill(obj)
			obj.SetManagedFields(nil)
			live := r.Versions[0].New()
			ft, ok := m.freshType(r, version, "", live, obj)
			if !ok {
				break
			}
			got, err := freshFields(obj.DeepCopyObject(), ft.types, ft.model, ft.reset)
			if err != nil {
				continue
			}
			f, err := m.of(r, version, "")
			if err != nil {
				t.Fatal(err)
			}
			out, ok := machinery(f, live, obj.DeepCopyObject())
			if !ok {
				continue
			}
			var want []byte
			if e := out.GetManagedFields(); len(e) > 0 {
				want = e[0].FieldsV1.Raw
			}
			done++
			if !sameJSON(got, want) {
				raw, _ := json.Marshal(obj)
				t.Fatalf("%s, seed %d:\n got %s\nwant %s\nobject %s", r.Name, seed, got, want, raw)
			}
		}
	}
	if done < 400 {
		t.Errorf("only %d objects were compared", done)
	}
	t.Logf("%d objects", done)
}

// machinery runs apimachinery's own, which panics on some values that no client
// can send.
func machinery(f *managedfields.FieldManager, live, obj runtime.Object) (out scheme.Object, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f.UpdateNoErrors(live, obj, "tester").(scheme.Object), true
}

// sameJSON compares as the bytes end up in a response, where HTML is escaped.
func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, err := json.Marshal(json.RawMessage(a))
	if err != nil {
		return false
	}
	y, err := json.Marshal(json.RawMessage(b))
	return err == nil && bytes.Equal(x, y)
}

func benchPod() *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Name, pod.Labels = "p", map[string]string{"app": "web", "tier": "x", "shard": "3"}
	pod.Annotations = map[string]string{"a": "b", "c": "d"}
	for _, name := range []string{"app", "proxy"} {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Image: "i:1", Args: []string{"a", "b"},
			Env:       []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: "TCP"}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Mi")}},
		})
	}
	return pod
}

func BenchmarkCreatePod(b *testing.B) {
	r, m := find(b, "", "pods"), New()
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			pod := benchPod()
			if _, err := m.Update(r, "v1", "", &corev1.Pod{}, pod, "x"); err != nil || len(pod.ManagedFields) != 1 {
				b.Fatal(err)
			}
		}
	})
	b.Run("machinery", func(b *testing.B) {
		b.ReportAllocs()
		f, _ := m.of(r, "v1", "")
		for b.Loop() {
			f.UpdateNoErrors(&corev1.Pod{}, benchPod(), "x")
		}
	})
}
