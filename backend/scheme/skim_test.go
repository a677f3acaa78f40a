package scheme

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func skimPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "p", UID: "u-1", Labels: map[string]string{"a": "1", "b/c": ""},
			Annotations: map[string]string{"labels": `{"x":"\\"}`, "uid": "no", "é\"": "}]"},
		},
		Spec:   corev1.PodSpec{NodeName: "n\"1", Containers: []corev1.Container{{Name: "c", Args: []string{"}", `\"`}}}},
		Status: corev1.PodStatus{Phase: "Running", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}},
	}
}

func TestSkim(t *testing.T) {
	e, err := Encode(skimPod(), corev1.SchemeGroupVersion.WithKind("Pod"), 42)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Skim(e.Raw, NewPaths("spec.nodeName", "status.podIPs", "status.phase", "type"))
	if err != nil {
		t.Fatal(err)
	}
	if s.UID != "u-1" || s.HoleOffset != e.HoleOffset || s.HoleLen != e.HoleLen || fmt.Sprint(s.Labels) != "[a 1 b/c ]" {
		t.Fatalf("got %+v", s)
	}
	if want := `{"spec":{"nodeName":"n\"1"},"status":{"phase":"Running","podIPs":[{"ip":"10.0.0.1"}]}}`; string(s.Cut) != want {
		t.Fatalf("got  %s\nwant %s", s.Cut, want)
	}
	for _, odd := range []string{``, `null`, `{`, `{"metadata":{}}`, `{ "metadata":{"resourceVersion":"1"}}`, `{"metadata":{"resourceVersion":"1"}}x`, `{"a":"`, `{"metadata":null}`} {
		if _, err := Skim([]byte(odd), nil); err == nil {
			t.Errorf("%s was taken", odd)
		}
	}
}

func FuzzSkim(f *testing.F) {
	e, _ := Encode(skimPod(), corev1.SchemeGroupVersion.WithKind("Pod"), 42)
	f.Add(e.Raw)
	f.Add([]byte(`{"spec":{"nodeName":"\u00e9\ud83d\ude00"},"metadata":{"uid":"\\","resourceVersion":"7"},"status":[],"x":[[],{}]}`))
	want := NewPaths("spec.nodeName", "status.phase")
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Skim(raw, want)
		if err != nil {
			return
		}
		var whole, cut corev1.Pod
		if DecodeStored(raw, &whole) != nil {
			return // Skim does not look at what it skips
		}
		if err := DecodeStored(s.Cut, &cut); err != nil {
			t.Fatalf("%s: %v", s.Cut, err)
		}
		if cut.Spec.NodeName != whole.Spec.NodeName || cut.Status.Phase != whole.Status.Phase {
			t.Fatalf("got %s from %s", s.Cut, raw)
		}
	})
}

func BenchmarkSkim(b *testing.B) {
	e, err := Encode(skimPod(), corev1.SchemeGroupVersion.WithKind("Pod"), 42)
	if err != nil {
		b.Fatal(err)
	}
	want := NewPaths("spec.nodeName", "status.phase")
	b.SetBytes(int64(len(e.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Skim(e.Raw, want); err != nil {
			b.Fatal(err)
		}
	}
}
