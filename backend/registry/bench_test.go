package registry

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backend/scheme"
	"pilothouse/backend/storage/memory"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// bigPod is a pod of about 3 KB of JSON.
func bigPod(name string) *corev1.Pod {
	p := pod(name, "node-1")
	p.Labels = map[string]string{"app": "web", "tier": "front", "pod-template-hash": "66b6c48dd5", "release": "stable"}
	p.Annotations = map[string]string{"example.com/config": strings.Repeat("x", 300)}
	for _, c := range []string{"web", "sidecar"} {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name: c, Image: "registry.example.com/team/" + c + ":1.2.3", Command: []string{"/bin/" + c, "--listen=:8080"},
			Ports:                    []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: "TCP"}},
			Env:                      []corev1.EnvVar{{Name: "LOG", Value: "info"}, {Name: "MODE", Value: "production"}},
			LivenessProbe:            &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")}}, PeriodSeconds: 10},
			VolumeMounts:             []corev1.VolumeMount{{Name: "token", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
			TerminationMessagePath:   "/dev/termination-log",
			TerminationMessagePolicy: "File", ImagePullPolicy: "IfNotPresent",
		})
	}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{` + strings.Repeat(`"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{}},`, 12) + `"x":{}}}}`)}}}
	return p
}

func benchStore(b *testing.B, n int) *Store {
	r, err := New(Options{Engine: memory.New()})
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Add(pods()); err != nil {
		b.Fatal(err)
	}
	if err := r.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	s := r.Store("", "pods")
	for i := range n {
		if _, err := s.Create(b.Context(), bigPod(fmt.Sprintf("p%d", i)), CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	return s
}

func BenchmarkCreate(b *testing.B) {
	s := benchStore(b, 0)
	template := bigPod("")
	for i := 0; b.Loop(); i++ {
		p := template.DeepCopy()
		p.Name = fmt.Sprintf("p%d", i)
		if _, err := s.Create(b.Context(), p, CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := benchStore(b, 1)
	for i := 0; b.Loop(); i++ {
		_, err := s.Update(b.Context(), "ns", "p0", UpdateOptions{Transform: func(_ context.Context, o scheme.Object) (scheme.Object, error) {
			o.(*corev1.Pod).Annotations["n"] = fmt.Sprint(i)
			return o, nil
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 100)
	for b.Loop() {
		if _, err := s.Get(b.Context(), "ns", "p50", GetOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList10000(b *testing.B) {
	s := benchStore(b, 10000)
	for _, c := range []struct{ name, labels string }{{"all", ""}, {"by label", "app=web,tier!=back"}} {
		o := ListOptions{Namespace: "ns"}
		if c.labels != "" {
			o.Labels = labelSelectorOf(c.labels)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l, err := s.List(b.Context(), o)
				if err != nil || len(l.Items) != 10000 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRead is what one object costs at a start.
func BenchmarkRead(b *testing.B) {
	s := benchStore(b, 1)
	o := s.current("ns/p0")
	b.SetBytes(int64(len(o.Raw)))
	for b.Loop() {
		if _, err := s.read(o.Raw, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	s := benchStore(b, 1)
	o := s.current("ns/p0")
	b.SetBytes(int64(len(o.Raw)))
	for b.Loop() {
		if _, err := s.Decode(o); err != nil {
			b.Fatal(err)
		}
	}
}
