package podspec_test

import (
	_ "embed"
	"testing"

	"pilothouse/backend/resources/podspec"
	"pilothouse/backend/scheme"

	v1 "k8s.io/api/core/v1"
)

//go:embed testdata/pod.json
var podJSON []byte

// BenchmarkPodCreate is what a pod of 3 KB costs before it is stored: decoding
// it strictly, its defaults, its validation and its warnings.
func BenchmarkPodCreate(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(podJSON)))
	for b.Loop() {
		pod := decode(b)
		podspec.SetPodDefaults(pod)
		if errs := podspec.ValidatePodCreate(pod, podspec.ForCreate(false)); len(errs) > 0 {
			b.Fatal(errs)
		}
		podspec.PodWarnings(pod)
	}
}

func BenchmarkPodDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		decode(b)
	}
}

func BenchmarkPodValidate(b *testing.B) {
	pod := decode(b)
	podspec.SetPodDefaults(pod)
	b.ReportAllocs()
	for b.Loop() {
		if errs := podspec.ValidatePodCreate(pod, podspec.ForCreate(false)); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

func decode(b *testing.B) *v1.Pod {
	pod := &v1.Pod{}
	if _, err := scheme.Decode(podJSON, scheme.MediaJSON, pod, v1.SchemeGroupVersion.WithKind("Pod"), scheme.Strict); err != nil {
		b.Fatal(err)
	}
	return pod
}
