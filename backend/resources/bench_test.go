package resources

import (
	"encoding/json"
	"os"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkReadNew is what a create pays before admission and storage: strict
// decoding, defaults, and validation, of a pod of 3 KB and of a Deployment with
// that pod as its template.
func BenchmarkReadNew(b *testing.B) {
	pod, err := os.ReadFile("podspec/testdata/pod.json")
	if err != nil {
		b.Fatal(err)
	}
	all := All(&registry.Env{})
	for _, kind := range []struct {
		group, name string
		body        []byte
	}{
		{"", "pods", pod},
		{"apps", "deployments", deploymentOf(b, pod)},
	} {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(kind.body)))
			r := find(b, all, kind.group, kind.name)
			for b.Loop() {
				readNew(b, r, kind.body)
			}
		})
	}
}

func readNew(b *testing.B, r *registry.Resource, body []byte) {
	v := r.Hub()
	obj := v.New()
	if _, err := scheme.Decode(body, scheme.MediaJSON, obj, r.HubKind(), scheme.Strict); err != nil {
		b.Fatal(err)
	}
	v.Default(obj)
	if r.Strategy.PrepareForCreate != nil {
		r.Strategy.PrepareForCreate(b.Context(), obj)
	}
	if errs := r.Strategy.Validate(b.Context(), obj); len(errs) > 0 {
		b.Fatal(errs)
	}
}

func deploymentOf(b *testing.B, body []byte) []byte {
	var pod corev1.Pod
	if err := json.Unmarshal(body, &pod); err != nil {
		b.Fatal(err)
	}
	d := appsv1.Deployment{}
	d.Name, d.Namespace = "web", "default"
	d.Spec.Template.Labels = map[string]string{"app": "web"}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: d.Spec.Template.Labels}
	d.Spec.Template.Spec = pod.Spec
	d.Spec.Template.Spec.RestartPolicy, d.Spec.Template.Spec.NodeName = "", ""
	raw, err := json.Marshal(&d)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

func find(b *testing.B, all []registry.Resource, group, name string) *registry.Resource {
	for i := range all {
		if all[i].Group == group && all[i].Name == name {
			return &all[i]
		}
	}
	b.Fatalf("no resource %s in %q", name, group)
	return nil
}
