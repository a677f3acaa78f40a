package plugins

import (
	"context"
	"testing"

	"pilothouse/backend/admission"
)

// BenchmarkPodCreate is what the default plugins cost a pod; the copy of the pod
// for each turn is not counted.
func BenchmarkPodCreate(b *testing.B) {
	w := newWorld(b)
	c, err := New(w.env)
	if err != nil {
		b.Fatal(err)
	}
	pod := w.attributes(createPod(podNamed("p", ""))).Object
	e := w.entry("pods")
	ctx := context.Background()
	copies := make([]admission.Attributes, 0, b.N)
	for range b.N {
		a := w.attributes(write{op: admission.Create, resource: "pods"})
		a.Entry, a.Object, a.Name = e, pod.DeepCopyObject(), "p"
		copies = append(copies, *a)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range copies {
		if err := c.Mutate(ctx, &copies[i]); err != nil {
			b.Fatal(err)
		}
		if err := c.Validate(ctx, &copies[i]); err != nil {
			b.Fatal(err)
		}
	}
}
